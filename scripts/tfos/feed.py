"""The program's side of a feed: batches of numpy arrays.

FeedClient reads one named feed once, as it comes (replay.ReplayFeed: pass after pass);
DataFeed gives it TensorFlowOnSpark's face.
"""

import contextlib
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfos import arrays, tensors
from tfos.arrays import DataError
from tfos.connection import FeedConnection
from tfos.pace import Pace
from tfos.rows import Decoder, Pass

__all__ = ["BaseFeed", "DataError", "DataFeed", "FeedClient"]


class BaseFeed:
    """What all feeds have: next_batch and should_stop over a current pass, and its account.

    name, config, worker  see FeedConnection
    mapping               (column, tensor) pairs; empty: every column under its own name
    data_error            the DataError that ended the feed, or None

    Methods may be called from several threads, one at a time works; they wait as long as
    the feed has no rows to give.
    """

    def __init__(self, connection):
        self._connection = connection
        self.name = connection.name
        self.config = connection.config
        self.worker = connection.worker
        self.mapping = [tuple(pair) for pair in self.config.get("mapping") or []]
        self.data_error = None
        self._consumer = threading.RLock()
        self._pass = self._start()

    @property
    def schema(self):
        """The columns as a pyarrow.Schema; None: nothing has come yet."""
        return self._connection.schema

    def next_batch(self, n):
        """The next n rows as {tensor: array}; fewer at the end; None after it.

        In a synchronous feed, where n should be a multiple of config["batch_rows"], it ends
        after the same number of rows on every worker.
        """
        batch = self._next_piece(n)
        return None if batch is None else arrays.to_numpy(batch)

    def should_stop(self):
        """Whether no more rows come. Waits until it is known."""
        with self._consumer:
            with self.noting_data_errors():
                more = self._pass.more()
            if not more:
                self._ended()
            return not more

    @contextlib.contextmanager
    def noting_data_errors(self):
        """Remembers the first DataError raised in it: TensorFlow hides it from the program."""
        try:
            yield
        except DataError as e:
            self.data_error = self.data_error or e
            raise

    def close(self):
        """Ends the connection. Rows not handed out count as dropped."""
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        """A new Pass."""
        raise NotImplementedError

    def _ended(self):
        """The program was told of the current pass's end."""

    def _next_piece(self, n, most=1):
        """next_batch, as a piece (see arrays); up to `most` batches in one, see Pass.next."""
        with self._consumer:
            batch = self._next(self._pass, n, most)
            if batch is None:
                self._ended()
            return batch

    def _next(self, rows, n, most=1):
        """The next n rows of the pass `rows`, a piece, reported to the member."""
        if n < 1:
            raise ValueError(f"feed {self.name}: a batch of {n} rows: at least 1")
        with self.noting_data_errors():
            batch = rows.next(n, most)
        self._connection.trained(rows.handed, now=batch is None)
        return batch


class FeedClient(BaseFeed):
    """One feed of this program, read once: its epochs follow each other."""

    def __init__(self, socket_path, name="train", prefetch=4):
        """name: of the feed. prefetch: chunks ahead, at least 1; they are arrays when the
        program asks for them."""
        self._pace = Pace()
        super().__init__(FeedConnection(socket_path, name, prefetch, Decoder))

    @property
    def epoch(self):
        """Of the rows handed out last."""
        return self._pass.epoch

    def close(self):
        self._tell_pace(now=True)
        super().close()

    def terminate(self):
        """Wants no more rows: the feed ends here, the rest is dropped."""
        if not self._pass.finished:
            self._connection.terminate()  # the end that follows wakes who waits for rows
        with self._consumer:
            self._pass.finish()

    def dataset(self, batch_size):
        """The feed as a tf.data.Dataset of dicts, batched; the last batch may be short.

        Waits for the first batch, which tells types and shapes. Auto-sharding is
        off: what a worker gets is its own share already. Iterating it a second
        time goes on where the first stopped.

        Rows count as trained when TensorFlow takes them from here, ahead of the program: it
        prefetches dozens of small batches by itself (tf.data.Options has
        experimental_optimization.inject_prefetch), and of a program that takes them fast it
        gets several in one, for 10 ms at most (Pace.together).
        """
        first = self._next_piece(batch_size)
        ahead = [first] if first is not None else []
        # Leave for the next step may need that this one is made.
        alone = self.config.get("synchronous", False)

        def batches():
            if ahead:
                yield ahead.pop()
            together = 1
            while (batch := self._next_piece(batch_size, together)) is not None:
                yield batch
                together = 1 if alone else self._pace.together()

        return tensors.dataset(self, first, batches, None if alone else batch_size)

    def _start(self):
        source = iter(self._connection.take, None)  # without end: Pass knows the last
        return Pass(self.config, source, self._connection.permit, self._connection.ready)

    def _next(self, rows, n, most=1):
        batch = super()._next(rows, n, most)
        if batch is not None:
            length, fed = arrays.length(batch), self._connection.waited
            self._pace.batches(-(-length // n), length, rows.waited, fed, rows.held_back)
        self._tell_pace(now=batch is None)
        return batch

    def _tell_pace(self, now):
        if report := self._pace.report(now):
            with contextlib.suppress(ConnectionError):  # the rows tell of it
                self._connection.pace(report)


class DataFeed:
    """TensorFlowOnSpark's DataFeed over a FeedClient."""

    def __init__(
        self, client, train=True, input_mapping=None, output=None, job_name="worker", task_index=0
    ):
        """input_mapping: column -> name in batches; empty or None: batches are lists of rows.
        output: the folder for batch_results, the job's output.path; None: nowhere."""
        self._client = client
        self.train = train
        told = dict(client.mapping)
        self._names = {name: told.get(col, col) for col, name in (input_mapping or {}).items()}
        self._output = output
        self._part = f"{job_name}-{task_index:05d}"
        self._writer = None

    def next_batch(self, batch_size):
        """With an input_mapping {name: [values]}, else a list of rows, tuples in column
        order. A list column's value is a numpy array. Empty, or of empty lists, at the end."""
        batch = self._client.next_batch(batch_size) or {}
        if not self._names:
            return list(zip(*map(_values, batch.values()), strict=True))
        if not batch:
            return {name: [] for name in self._names}
        unknown = sorted(set(self._names.values()) - set(batch))
        if unknown:
            raise DataError(f"input_mapping: no column {', '.join(unknown)} in the feed")
        return {name: _values(batch[tensor]) for name, tensor in self._names.items()}

    def should_stop(self):
        """Whether the last row was handed out. Waits until it is known."""
        return self._client.should_stop()

    def terminate(self):
        """Wants no more rows."""
        self._client.terminate()

    def batch_results(self, results):
        """Appends results (values, or dicts of column -> value) to this worker's
        parquet file under the job's output.path; close() completes it."""
        if not self._output:
            raise RuntimeError("batch_results: the job has no output: set output.path in it")
        rows = [r if isinstance(r, dict) else {"prediction": r} for r in results]
        if not rows:
            return
        rows = [{k: _plain(v) for k, v in row.items()} for row in rows]
        if self._writer is None:
            self._writer = _ResultWriter(Path(self._output), self._part, rows)
        self._writer.write(rows)

    def close(self):
        """Completes the results, if there are any."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _ResultWriter:
    """A parquet file that appears under its name when it is complete."""

    def __init__(self, folder, part, rows):
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        self._final = folder / f"part-{part}.parquet"
        self._temporary = folder / f".part-{part}.parquet.tmp"
        self._schema = pa.Table.from_pylist(rows).schema
        self._writer = pq.ParquetWriter(self._temporary, self._schema)

    def write(self, rows):
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def close(self):
        self._writer.close()
        self._temporary.rename(self._final)


def _values(array):
    """Rows as Python values; rows that are lists stay arrays."""
    return array.tolist() if array.ndim == 1 else list(array)


def _plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
