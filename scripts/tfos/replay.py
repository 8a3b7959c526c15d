"""A feed of one epoch that a program reads again and again: validation rows."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tfos import tensors
from tfos.connection import Chunk, EpochEnd, FeedConnection
from tfos.feed import BaseFeed
from tfos.rows import Pass, pieces

if TYPE_CHECKING:
    import tensorflow as tf


class ReplayFeed(BaseFeed):
    """A feed's rows, in the same order in every pass (`next_batch`, `dataset`).

    From its creation a thread of its own takes all chunks as they come and keeps them in a
    file: the member's queue never fills, however late the program looks. Readers wait for
    rows that have not come yet. Memory holds a few chunks, however large the feed.

    next_batch and should_stop have one pass between them. Its end is told once, by None or
    by True, and the next call is in a new pass, from the first row on; breaking out of a
    loop does not start a new one. In a synchronous feed every pass has the same number of
    steps on every worker.

    Rows count as trained once, however many passes they are handed out in.
    """

    def __init__(self, socket_path: str, name: str, folder: str, prefetch: int = 2) -> None:
        """name: of the feed. folder: where the file is; it needs the room of the whole feed,
        and goes with this object or with the process, however that ends."""
        connection = FeedConnection(socket_path, name, prefetch)
        try:
            self._recording = Recording(folder, connection.name)
        except BaseException:
            connection.close()
            raise
        self._terminated = False
        super().__init__(connection)
        self._recorder = threading.Thread(target=self._record, name=f"replay {self.name}")
        self._recorder.daemon = True
        self._recorder.start()

    def dataset(self, batch_size: int) -> tf.data.Dataset:
        """The feed as a tf.data.Dataset of dicts, batched; each iteration is one whole pass,
        whose last batch may be short. Passes of datasets and of next_batch do not disturb
        each other. Waits for the first batch, which tells types and shapes."""
        with self.noting_data_errors():
            first = self._start().next(batch_size)

        def batches() -> Iterator[dict[str, Any]]:
            rows = self._start()
            while not self._terminated and (batch := self._next(rows, batch_size)) is not None:
                yield batch

        return tensors.dataset(self, first, batches)

    def terminate(self) -> None:
        """Wants no more rows: all passes end here, and the member takes no more."""
        self._terminated = True
        if not self._recording.complete:
            self._connection.terminate()  # the end that follows wakes who waits for rows
        with self._consumer:
            self._pass.finish()

    def close(self) -> None:
        """Deletes the file. Rows not handed out count as dropped."""
        super().close()
        self._recorder.join()
        self._recording.close()

    def _start(self) -> Pass:
        position = 0

        def take() -> Chunk | EpochEnd:
            nonlocal position
            chunk = None if self._terminated else self._recording.read(position)
            position += 1
            return chunk or EpochEnd(0, last=True)

        return Pass(self.config, pieces(self.config, self.worker, take), self._connection.permit)

    def _ended(self) -> None:
        self._pass = self._start()

    def _record(self) -> None:
        """The recorder thread: everything that comes, to the end of the feed."""
        try:
            while isinstance(event := self._connection.take(), Chunk):
                self._recording.append(event)
            if not event.last:
                raise RuntimeError(f"feed {self.name}: several epochs cannot be replayed")
            self._recording.end()
        except Exception as e:
            self._recording.fail(e)
            with contextlib.suppress(ConnectionError):
                self._connection.terminate()  # or the feed task would wait for ever


class Recording:
    """Chunks in a file without a name: their Arrow messages one after another.

    One thread appends; any thread reads what has been appended, or waits for it.
    """

    def __init__(self, folder: str, feed: str) -> None:
        """feed: its name, for errors."""
        self._closed = ConnectionError(f"feed {feed}: it is closed")
        self._what = f"feed {feed}: its rows in {folder}"
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._changed = threading.Condition()
        self._chunks: list[tuple[int, int, Chunk]] = []  # offset, bytes, one without its body
        self._size = 0
        self._error: Exception | None = None
        self._reading = threading.Lock()  # nobody reads a file that is being closed
        self.complete = False

    def append(self, chunk: Chunk) -> None:
        body = memoryview(chunk.body).cast("B")
        at = 0
        try:
            while at < len(body):
                at += os.pwrite(self._file.fileno(), body[at:], self._size + at)
        except OSError as e:
            raise OSError(e.errno, f"{self._what}: {e.strerror}") from e
        with self._changed:
            self._chunks.append((self._size, len(body), chunk._replace(body=None)))
            self._size += len(body)
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more is appended."""
        with self._changed:
            self.complete = True
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Readers get the chunks that were appended, and then the error."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def read(self, index: int) -> Chunk | None:
        """The chunk of that index, from 0; None: the recording has no more. Waits for it."""
        with self._changed:
            while len(self._chunks) <= index and not self.complete and self._error is None:
                self._changed.wait()
            if len(self._chunks) <= index:
                if self._error is not None:
                    raise self._error
                return None
            offset, size, chunk = self._chunks[index]
        body = pa.allocate_buffer(size)
        self._fill(memoryview(body).cast("B"), offset)
        return chunk._replace(body=body)

    def close(self) -> None:
        """Deletes the file."""
        with self._reading:
            self._file.close()

    def _fill(self, view: memoryview, offset: int) -> None:
        with self._reading:
            if self._file.closed:
                raise self._closed
            at = 0
            while at < len(view):
                n = os.preadv(self._file.fileno(), [view[at:]], offset + at)
                if n == 0:
                    raise OSError(f"{self._what}: the file was cut short")
                at += n
