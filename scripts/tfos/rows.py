"""One pass over a feed's rows: batches of the wanted size out of chunks."""

from collections import deque

from . import arrays
from .arrays import DataError
from .connection import Chunk


class Pass:
    """Rows from the first to the last, once; batches cross chunk and epoch borders.

    In a synchronous feed rows are handed out for permitted steps only, and the pass ends
    where a step is refused: after the same number of rows on every worker.

    handed    {epoch: rows handed out}
    epoch     of the rows handed out last
    finished  no more rows come, beyond those held already

    Not safe for concurrent use.
    """

    def __init__(self, config, worker, take, permit):
        """config: of the feed; its shuffle depends on the worker's number too.

        take(): the next Chunk or EpochEnd; permit(step): whether the step (from 1) of
        config["batch_rows"] rows may be taken.
        """
        self.handed = {}
        self.epoch = 0
        self.finished = False
        self._name = config["name"]
        self._mapping = config.get("mapping") or []
        self._synchronous = config.get("synchronous", False)
        self._step_rows = max(1, config.get("batch_rows") or 1)
        self._shuffle_rows = config.get("shuffle_rows") or 0
        self._seed = [(config.get("shuffle_seed") or 0) & (2**64 - 1), worker]
        self._take = take
        self._permit = permit
        self._shuffle = None
        self._stock = deque()  # (epoch, piece), ready to hand out
        self._rows = 0  # in _stock
        self._given = 0  # rows handed out, in all epochs
        self._steps = 0  # permitted
        self._error = None

    def next(self, n):
        """The next n rows as {tensor: array}; fewer at the end; None after it.

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
        self._shuffle = None
        self.finished = True

    def _fill(self, n):
        """Brings n rows into the stock, fewer at the end."""
        if self._error is not None:
            raise self._error
        while self._rows < n and not self.finished:
            event = self._take()
            if isinstance(event, Chunk):
                self._put(event.epoch, self._convert(event))
                continue
            if self._shuffle is not None:
                self._stock_up(event.epoch, self._shuffle.flush())
                self._shuffle = None
            self.finished = event.last

    def _convert(self, chunk):
        try:
            return arrays.to_arrays(chunk.batch(), self._mapping, chunk.place)
        except DataError as e:
            self._error = DataError(f"feed {self._name}, epoch {chunk.epoch}: {e}")
            raise self._error from None

    def _put(self, epoch, piece):
        if self._shuffle_rows < 2:
            self._stock_up(epoch, piece)
            return
        if self._shuffle is None:
            self._shuffle = arrays.ShuffleBuffer(self._shuffle_rows, [*self._seed, epoch])
        self._stock_up(epoch, self._shuffle.push(piece))

    def _stock_up(self, epoch, piece):
        if piece is not None:
            self._stock.append((epoch, piece))
            self._rows += arrays.length(piece)

    def _allowed(self, n):
        """How many of the next n rows, which are held, may be handed out."""
        if not self._synchronous:
            return n
        while self._steps * self._step_rows < self._given + n:
            if not self._permit(self._steps + 1):
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
