"""One pass over a feed's rows: chunks into arrays, shuffled, into batches of the wanted size."""

import time
from collections import deque

from tfos import arrays
from tfos.arrays import DataError
from tfos.connection import EpochEnd
from tfos.pace import TOGETHER_SECONDS


class Decoder:
    """Makes arrays of a pass's chunks, shuffled if the feed is. Call it with each event."""

    def __init__(self, config, worker):
        """config: of the feed; its shuffle depends on the worker's number too."""
        self._name = config["name"]
        self._mapping = config.get("mapping") or []
        self._shuffle_rows = config.get("shuffle_rows") or 0
        self._seed = [(config.get("shuffle_seed") or 0) & (2**64 - 1), worker]
        self._shuffle = None

    def __call__(self, event):
        """Returns a list of (epoch, piece) for a Chunk or EpochEnd; it may be empty. An EpochEnd
        stands in it behind the last piece of its epoch. DataError: rows that are no arrays."""
        if isinstance(event, EpochEnd):
            shuffle, self._shuffle = self._shuffle, None
            rest = shuffle.flush() if shuffle is not None else None
            return [event] if rest is None else [(event.epoch, rest), event]
        try:
            piece = arrays.to_arrays(event.batch(), self._mapping, event.place)
        except DataError as e:
            raise DataError(f"feed {self._name}, epoch {event.epoch}: {e}") from None
        if self._shuffle_rows > 1:
            if self._shuffle is None:
                seed = [*self._seed, event.epoch]
                self._shuffle = arrays.ShuffleBuffer(self._shuffle_rows, seed)
            piece = self._shuffle.push(piece)
        return [] if piece is None else [(event.epoch, piece)]


def pieces(config, worker, take):
    """Generates what a Decoder makes of what take() gives, to the last EpochEnd."""
    decode = Decoder(config, worker)
    last = False
    while not last:
        event = take()
        last = isinstance(event, EpochEnd) and event.last
        yield from decode(event)


class Pass:
    """Rows from the first to the last, once; batches cross the borders of pieces and epochs.

    In a synchronous feed rows are handed out for permitted steps only, and the pass ends
    where a step is refused: after the same number of rows on every worker.

    handed    {epoch: rows handed out}
    epoch     of the rows handed out last
    waited    seconds spent waiting for arrays, and `held_back` for leave to take them
    finished  no more rows come, beyond those held already

    Not safe for concurrent use.
    """

    def __init__(self, config, source, permit, ready=lambda until: False):
        """config: of the feed. source: an iterator over what a Decoder makes. permit(step):
        whether the step (from 1) of config["batch_rows"] rows may be taken. ready(until):
        whether source has something; it may wait for that to the time.monotonic() until.
        """
        self.handed = {}
        self.epoch = 0
        self.waited = self.held_back = 0.0
        self.finished = False
        self._synchronous = config.get("synchronous", False)
        self._step_rows = max(1, config.get("batch_rows") or 1)
        self._source = source
        self._ready = ready
        self._permit = permit
        self._stock = deque()  # (epoch, piece), ready to hand out
        self._rows = 0  # in _stock
        self._given = 0  # rows handed out, in all epochs
        self._steps = 0  # permitted
        self._error = None

    def next(self, n, most=1):
        """The next n rows, a piece (see arrays); fewer at the end; None after it. Up to `most`
        times n rows where so many arrive within TOGETHER_SECONDS of the first n.

        DataError: rows that do not become arrays; the pass gives no more then.
        """
        self._fill(n)
        if most > 1:
            self._fill(n * most, until=time.monotonic() + TOGETHER_SECONDS)
        times = max(1, min(most, self._rows // n))
        rows = self._allowed(min(n * times, self._rows))
        return self._hand_out(rows) if rows else None

    def more(self):
        """Whether next has rows to give. Waits until it is known."""
        self._fill(1)
        return self._allowed(min(1, self._rows)) > 0

    def finish(self, keep=0):
        """The pass ends after the next `keep` rows, which are held."""
        self._stock = deque(self._pop(keep))
        self._rows = keep
        self.finished = True

    def _fill(self, n, until=None):
        """Brings n rows into the stock; fewer at the end, or when that time has come."""
        if self._error is not None:
            raise self._error
        while self._rows < n and not self.finished:
            began = time.monotonic()
            try:
                if until is not None and not self._ready(until):
                    return
                event = next(self._source)
            except Exception as e:
                self._error = e  # a generator that has failed would only say that it is over
                raise
            finally:
                self.waited += time.monotonic() - began
            if isinstance(event, EpochEnd):
                self.finished = event.last
                continue
            self._stock.append(event)
            self._rows += arrays.length(event[1])

    def _allowed(self, n):
        """How many of the next n rows, which are held, may be handed out."""
        if not self._synchronous:
            return n
        while self._steps * self._step_rows < self._given + n:
            began = time.monotonic()
            go = self._permit(self._steps + 1)
            self.held_back += time.monotonic() - began
            if not go:
                n = self._steps * self._step_rows - self._given
                self.finish(keep=n)
                break
            self._steps += 1
        return n

    def _hand_out(self, n):
        taken = self._pop(n)
        for epoch, piece in taken:
            self.handed[epoch] = self.handed.get(epoch, 0) + arrays.length(piece)
        self.epoch = taken[-1][0]
        self._given += n
        return arrays.join([piece for _, piece in taken])

    def _pop(self, n):
        """Takes n rows off the stock: (epoch, piece) pairs."""
        taken, left = [], n
        while left:
            epoch, piece = self._stock.popleft()
            rows = arrays.length(piece)
            if rows > left:
                self._stock.appendleft((epoch, arrays.cut(piece, left, rows)))
                piece, rows = arrays.cut(piece, 0, left), left
            taken.append((epoch, piece))
            left -= rows
        self._rows -= n
        return taken
