"""How fast a program takes the rows of a feed."""

import math
import time
from collections import Counter

TELL_SECONDS = 1  # between two reports

# Each call of tf.data's generator costs 0.3 ms of Python, however many batches it yields. One call
# therefore yields the batches that a program takes in TOGETHER_SECONDS: at most _TOGETHER_MOST,
# and at most 1/_TOGETHER_PART of the batches so far.
TOGETHER_SECONDS = 0.01
_TOGETHER_MOST = 8
_TOGETHER_PART = 64


class Pace:
    """Counts rows, seconds and steps from the first batch on.

    A step is the time from one batch to the next. Batches that are handed out together have
    equal steps. The first batch only starts the clock: the wait for it belongs to the job's start.
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
        """`count` batches, of `rows` rows in total, are handed out together.

        Seconds so far: `waited`, the program waited for arrays; `fed`, the decoder waited for
        chunks; `held_back`, the program waited for permission to take a step.
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
            # If the decoder did not wait, the program waited for the decoder, not for the feed.
            "waited": min(waited, fed) + held_back,
            "steps": sorted(self._steps.items()),
        }
