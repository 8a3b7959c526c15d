"""How fast a program takes the rows of a feed."""

import math
import time
from collections import Counter

TELL_SECONDS = 1  # between two reports


class Pace:
    """Rows, seconds and steps from the first batch on: the ledger line of a job.

    A step is the time from one batch to the next. The first batch only starts the clock: what
    was waited for it is the start of the job, not its pace.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._first = self._last = self._told = None
        self._waited_before = 0.0
        self._rows = 0
        self._waited = 0.0
        self._steps = Counter()  # by bucket: about 1.1**bucket microseconds

    def batch(self, rows, waited):
        """A batch of so many rows is handed out; waited: seconds waited for rows in all."""
        now = self._clock()
        if self._first is None:
            self._first = self._last = self._told = now
            self._waited_before = waited
            return
        self._rows += rows
        self._waited = waited - self._waited_before
        micros = max(1.0, (now - self._last) * 1e6)
        self._steps[round(math.log(micros, 1.1))] += 1
        self._last = now

    def report(self, now=False):
        """The PACE message when it is time for one, or now; None: it is not."""
        if not self._rows or not (now or self._last - self._told >= TELL_SECONDS):
            return None
        self._told = self._last
        return {
            "rows": self._rows,
            "seconds": self._last - self._first,
            "waited": self._waited,
            "steps": sorted(self._steps.items()),
        }
