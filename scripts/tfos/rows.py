"""One pass over a feed's rows: chunks into arrays, shuffled, into batches of the wanted size."""

import threading
import time
from collections import deque

from . import arrays
from .arrays import DataError
from .connection import EpochEnd


def pieces(config, worker, take):
    """Generates the rows of a pass in the order of handing out: (epoch, piece), and EpochEnd
    after those of an epoch, to the last one.

    config: of the feed; its shuffle depends on the worker's number too. take(): the next Chunk
    or EpochEnd. DataError: rows that do not become arrays.
    """
    mapping = config.get("mapping") or []
    shuffle_rows = config.get("shuffle_rows") or 0
    seed = [(config.get("shuffle_seed") or 0) & (2**64 - 1), worker]
    shuffle = None
    while True:
        event = take()
        if isinstance(event, EpochEnd):
            if shuffle is not None and (rest := shuffle.flush()) is not None:
                yield event.epoch, rest
            shuffle = None
            yield event
            if event.last:
                return
            continue
        try:
            piece = arrays.to_arrays(event.batch(), mapping, event.place)
        except DataError as e:
            raise DataError(f"feed {config['name']}, epoch {event.epoch}: {e}") from None
        if shuffle_rows > 1:
            if shuffle is None:
                shuffle = arrays.ShuffleBuffer(shuffle_rows, [*seed, event.epoch])
            piece = shuffle.push(piece)
        if piece is not None:
            yield event.epoch, piece


class Ahead:
    """An iterator that a thread of its own keeps `items` ahead of who takes from it, so that
    decoding and shuffling go on while the program computes. One thread takes."""

    def __init__(self, source, name, items=2):
        """source: an iterator; only the thread uses it from now on."""
        self._source = source
        self._items = items
        self._changed = threading.Condition()
        self._ready = deque()  # (item, None) or (None, the exception that ends it)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.daemon = True  # a program that ends without close() must end
        self._thread.start()

    def __iter__(self):
        return self

    def __next__(self):
        with self._changed:
            while not self._ready:
                if self._closed:
                    raise ConnectionError("it is closed")
                self._changed.wait()
            item, error = self._ready[0]
            if error is not None:
                raise error  # and again at each later call
            self._ready.popleft()
            self._changed.notify_all()
            return item

    def close(self):
        """Ends the thread; what it waits for in its source must have been ended before."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self):
        try:
            for item in self._source:
                if not self._put(item, None):
                    return
            self._put(None, StopIteration())
        except Exception as e:
            self._put(None, e)

    def _put(self, item, error):
        """False: nobody takes any more."""
        with self._changed:
            while len(self._ready) >= self._items and not self._closed:
                self._changed.wait()
            self._ready.append((item, error))
            self._changed.notify_all()
            return not self._closed


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

    def __init__(self, config, source, permit):
        """config: of the feed. source: an iterator, see pieces. permit(step): whether the step
        (from 1) of config["batch_rows"] rows may be taken.
        """
        self.handed = {}
        self.epoch = 0
        self.waited = self.held_back = 0.0
        self.finished = False
        self._synchronous = config.get("synchronous", False)
        self._step_rows = max(1, config.get("batch_rows") or 1)
        self._source = source
        self._permit = permit
        self._stock = deque()  # (epoch, piece), ready to hand out
        self._rows = 0  # in _stock
        self._given = 0  # rows handed out, in all epochs
        self._steps = 0  # permitted
        self._error = None

    def next(self, n):
        """The next n rows, a piece (see arrays); fewer at the end; None after it.

        DataError: rows that do not become arrays; the pass gives no more then.
        """
        self._fill(n)
        rows = self._allowed(min(n, self._rows))
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

    def _fill(self, n):
        """Brings n rows into the stock, fewer at the end."""
        if self._error is not None:
            raise self._error
        while self._rows < n and not self.finished:
            began = time.monotonic()
            try:
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
