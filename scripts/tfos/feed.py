"""The program's side of a feed: batches of numpy arrays.

FeedClient reads one named feed once, as it comes (replay.ReplayFeed: pass after pass);
DataFeed gives it TensorFlowOnSpark's face.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tfos import arrays, tensors
from tfos.arrays import DataError
from tfos.connection import FeedConnection
from tfos.pace import Pace
from tfos.rows import Decoder, Pass

if TYPE_CHECKING:
    import tensorflow as tf
    from typing_extensions import Self

__all__ = ["BaseFeed", "DataError", "DataFeed", "FeedClient"]


class BaseFeed:
    """What all feeds have: next_batch and should_stop over a current pass, and its account.

    name, config, worker  see FeedConnection
    mapping               (column, tensor) pairs; empty: every column under its own name
    data_error            the DataError that ended the feed, or None

    Methods may be called from several threads, one at a time works; they wait as long as
    the feed has no rows to give.
    """

    def __init__(self, connection: FeedConnection) -> None:
        self._connection = connection
        self.name: str = connection.name
        self.config: dict[str, Any] = connection.config
        self.worker: int = connection.worker
        self.mapping: list[tuple[str, str]] = [
            (column, tensor) for column, tensor in self.config.get("mapping") or []
        ]
        self.data_error: DataError | None = None
        self._consumer = threading.RLock()
        self._pass = self._start()

    @property
    def schema(self) -> pa.Schema | None:
        """The columns as a pyarrow.Schema; None: nothing has come yet."""
        return self._connection.schema

    def next_batch(self, n: int) -> dict[str, np.ndarray] | None:
        """The next n rows as {tensor: array}; fewer at the end; None after it.

        In a synchronous feed, where n should be a multiple of config["batch_rows"], it ends
        after the same number of rows on every worker.
        """
        batch = self._next_piece(n)
        return None if batch is None else arrays.to_numpy(batch)

    def dataset(self, batch_size: int) -> tf.data.Dataset:
        """The feed as a tf.data.Dataset of {tensor: tensor [rows, ...]}."""
        raise NotImplementedError

    def terminate(self) -> None:
        """Wants no more rows: the feed ends here, the rest is dropped."""
        raise NotImplementedError

    def should_stop(self) -> bool:
        """Whether no more rows come. Waits until it is known."""
        with self._consumer:
            with self.noting_data_errors():
                more = self._pass.more()
            if not more:
                self._ended()
            return not more

    @contextlib.contextmanager
    def noting_data_errors(self) -> Iterator[None]:
        """Remembers the first DataError raised in it: TensorFlow hides it from the program."""
        try:
            yield
        except DataError as e:
            self.data_error = self.data_error or e
            raise

    def close(self) -> None:
        """Ends the connection. Rows not handed out count as dropped."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> Pass:
        """A new Pass."""
        raise NotImplementedError

    def _ended(self) -> None:
        """The program was told of the current pass's end."""

    def _next_piece(self, n: int, most: int = 1) -> dict[str, Any] | None:
        """next_batch, as a piece (see arrays); up to `most` batches in one, see Pass.next."""
        with self._consumer:
            batch = self._next(self._pass, n, most)
            if batch is None:
                self._ended()
            return batch

    def _next(self, rows: Pass, n: int, most: int = 1) -> dict[str, Any] | None:
        """The next n rows of the pass `rows`, a piece, reported to the member."""
        if n < 1:
            raise ValueError(f"feed {self.name}: a batch of {n} rows: at least 1")
        with self.noting_data_errors():
            batch = rows.next(n, most)
        self._connection.trained(rows.handed, now=batch is None)
        return batch


class FeedClient(BaseFeed):
    """One feed of this program, read once: its epochs follow each other."""

    def __init__(self, socket_path: str, name: str = "train", prefetch: int = 4) -> None:
        """name: of the feed. prefetch: chunks ahead, at least 1; they are arrays when the
        program asks for them."""
        self._pace = Pace()
        super().__init__(FeedConnection(socket_path, name, prefetch, Decoder))

    @property
    def epoch(self) -> int:
        """Of the rows handed out last."""
        return self._pass.epoch

    def close(self) -> None:
        self._tell_pace(now=True)
        super().close()

    def terminate(self) -> None:
        """Wants no more rows: the feed ends here, the rest is dropped."""
        if not self._pass.finished:
            self._connection.terminate()  # the end that follows wakes who waits for rows
        with self._consumer:
            self._pass.finish()

    def dataset(self, batch_size: int) -> tf.data.Dataset:
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

        def batches() -> Iterator[dict[str, Any]]:
            if ahead:
                yield ahead.pop()
            together = 1
            while (batch := self._next_piece(batch_size, together)) is not None:
                yield batch
                together = 1 if alone else self._pace.together()

        return tensors.dataset(self, first, batches, None if alone else batch_size)

    def _start(self) -> Pass:
        source = iter(self._connection.take, None)  # without end: Pass knows the last
        return Pass(self.config, source, self._connection.permit, self._connection.ready)

    def _next(self, rows: Pass, n: int, most: int = 1) -> dict[str, Any] | None:
        batch = super()._next(rows, n, most)
        if batch is not None:
            length, fed = arrays.length(batch), self._connection.waited
            self._pace.batches(-(-length // n), length, rows.waited, fed, rows.held_back)
        self._tell_pace(now=batch is None)
        return batch

    def _tell_pace(self, now: bool) -> None:
        if report := self._pace.report(now):
            with contextlib.suppress(ConnectionError):  # the rows tell of it
                self._connection.pace(report)


class DataFeed:
    """TensorFlowOnSpark's DataFeed over a FeedClient."""

    def __init__(
        self,
        client: BaseFeed,
        train: bool = True,
        input_mapping: Mapping[str, str] | None = None,
        output: str | None = None,
        job_name: str = "worker",
        task_index: int = 0,
    ) -> None:
        """input_mapping: column -> name in batches; empty or None: batches are lists of rows.
        output: the folder for batch_results, the job's output.path; None: nowhere."""
        self._client = client
        self.train = train
        told = dict(client.mapping)
        self._names = {name: told.get(col, col) for col, name in (input_mapping or {}).items()}
        self._output = output
        self._part = f"{job_name}-{task_index:05d}"
        self._writer: _ResultWriter | None = None

    def next_batch(self, batch_size: int) -> dict[str, list[Any]] | Any:
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

    def should_stop(self) -> bool:
        """Whether the last row was handed out. Waits until it is known."""
        return self._client.should_stop()

    def terminate(self) -> None:
        """Wants no more rows."""
        self._client.terminate()

    def batch_results(self, results: Iterable[Any]) -> None:
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

    def close(self) -> None:
        """Completes the results, if there are any."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _ResultWriter:
    """A parquet file that appears under its name when it is complete."""

    def __init__(self, folder: Path, part: str, rows: list[dict[str, Any]]) -> None:
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        self._final = folder / f"part-{part}.parquet"
        self._temporary = folder / f".part-{part}.parquet.tmp"
        self._schema = pa.Table.from_pylist(rows).schema
        self._writer = pq.ParquetWriter(self._temporary, self._schema)

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
        self._temporary.rename(self._final)


def _values(array: np.ndarray) -> list[Any]:
    """Rows as Python values; rows that are lists stay arrays."""
    return array.tolist() if array.ndim == 1 else list(array)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
