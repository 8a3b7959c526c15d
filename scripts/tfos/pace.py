"""How fast a program takes the rows of a feed."""

import math
import time
from collections import Counter

TELL_SECONDS = 1  # between two reports

# A batch costs tf.data's generator 0.3 ms of Python, and as much when it is several in one. So
# those together that a program takes in TOGETHER_SECONDS, but only a part of those so far.
TOGETHER_SECONDS = 0.01
_TOGETHER_MOST = 8
_TOGETHER_PART = 64


class Pace:
    """Rows, seconds and steps from the first batch on: the ledger line of a job.

    A step is the time from one batch to the next; those of batches handed out together are
    equal. The first batch only starts the clock: what was waited for it is the start of the
    job, not its pace.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._first = self._last = self._told = None
        self._before = self._now = (0.0, 0.0, 0.0)
        self._rows = 0
        self._batches = 0  # handed out
        self._out = 0  # of them, what the program has now
        self._step = math.inf  # seconds, the last one
        self._steps = Counter()  # by bucket: about 1.1**bucket microseconds

    def batches(self, count, rows, waited, fed, held_back=0.0):
        """So many batches, of `rows` in all, are handed out together.

        Seconds so far: waited, of the program for arrays; fed, of the decoder for what it
        decodes; held_back, of the program for leave to take its rows.
        """
        now = self._clock()
        done, self._out = self._out, count
        self._batches += count
        if self._first is None:
            self._first = self._last = self._told = now
            self._before = (waited, fed, held_back)
            return
        self._rows += rows
        self._now = (waited, fed, held_back)
        self._step = max(1e-6, (now - self._last) / done)
        self._steps[round(math.log(self._step * 1e6, 1.1))] += done
        self._last = now

    def together(self):
        """How many batches may be handed out together, at least 1."""
        fit = int(TOGETHER_SECONDS / self._step)
        return max(1, min(_TOGETHER_MOST, fit, self._batches // _TOGETHER_PART))

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
