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
        self._before = self._now = (0.0, 0.0, 0.0)
        self._rows = 0
        self._steps = Counter()  # by bucket: about 1.1**bucket microseconds

    def batch(self, rows, waited, fed, held_back=0.0):
        """A batch of so many rows is handed out.

        Seconds so far: waited, of the program for arrays; fed, of the decoder for what it
        decodes; held_back, of the program for leave to take its rows.
        """
        now = self._clock()
        if self._first is None:
            self._first = self._last = self._told = now
            self._before = (waited, fed, held_back)
            return
        self._rows += rows
        self._now = (waited, fed, held_back)
        micros = max(1.0, (now - self._last) * 1e6)
        self._steps[round(math.log(micros, 1.1))] += 1
        self._last = now

    def report(self, now=False):
        """The PACE message when it is time for one, or now; None: it is not."""
        if not self._rows or not (now or self._last - self._told >= TELL_SECONDS):
            return None
        self._told = self._last
        waited, fed, held_back = (b - a for a, b in zip(self._before, self._now, strict=True))
        return {
            "rows": self._rows,
            "seconds": self._last - self._first,
            # A program whose decoder does not wait waits for the decoder, not for the feed.
            "waited": min(waited, fed) + held_back,
            "steps": sorted(self._steps.items()),
        }
