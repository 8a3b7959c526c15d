"""The program's side of a feed: batches of numpy arrays out of Arrow chunks.

FeedClient reads one named feed over its own connection to the member;
DataFeed gives it TensorFlowOnSpark's face. docs/protocols.md section 5 is the
wire. TensorFlow is imported by dataset() only.
"""

import contextlib
import socket
import threading
from collections import deque
from pathlib import Path

import numpy as np
import pyarrow as pa

from . import arrays, frames
from .arrays import DataError

__all__ = ["DataError", "DataFeed", "FeedClient"]


class FeedClient:
    """One feed of this program.

    next_batch(n) returns a dict of tensor name -> array with first dimension n,
    less only at the end of the feed, and None after the last row. Batches cross
    chunk and epoch borders. Methods may be called from several threads, one at
    a time works; they wait as long as the feed has no rows to give.
    """

    def __init__(self, socket_path, name=None, prefetch=2):
        """name: of the feed; None: the job's first. prefetch: chunks ahead, at least 1."""
        self._sock, context = frames.attach(socket_path)
        try:
            self.config = _find(context["feeds"], name)
            self.name = self.config["name"]
            self.mapping = [tuple(pair) for pair in self.config.get("mapping") or []]
            self.worker = context["worker_num"]
            self.epoch = 0  # of the rows handed out last
            self._schema = None  # the reader's latest
            self.data_error = None  # the DataError that ended the feed
            self._batch_rows = max(1, self.config.get("batch_rows") or 1)
            self._consumer = threading.RLock()
            self._changed = threading.Condition()
            # From the reader: ("batch", epoch, RecordBatch) or ("end", epoch, last).
            self._arrived = deque()
            self._answer = None  # to PERMIT
            self._error = None
            self._stock = deque()  # (epoch, piece), ready to hand out
            self._rows = 0  # in _stock
            self._handed = 0  # rows, in all epochs
            self._trained = {}  # rows handed out, by epoch
            self._permitted = 0  # steps
            self._finished = False  # no more rows will come into _stock
            self._shuffle = None
            self._sending = threading.Lock()
            self._tell(frames.NEXT, chunks=max(1, prefetch))
            self._reader = threading.Thread(target=self._read, name=f"feed {self.name}")
            self._reader.daemon = True  # a program that ends without close() must end
            self._reader.start()
        except BaseException:
            self._sock.close()
            raise

    def next_batch(self, n):
        """The next n rows as {tensor: array}; fewer at the end of the feed; None after it."""
        if n < 1:
            raise ValueError(f"feed {self.name}: next_batch({n}): at least 1 row")
        with self._consumer:
            if not self._fill(n) or not self._may_step(min(n, self._rows)):
                return None
            return self._hand_out(min(n, self._rows))

    def should_stop(self):
        """Whether no more rows come. Waits until it is known."""
        with self._consumer:
            return not self._fill(1) or not self._may_step(1)

    def terminate(self):
        """Wants no more rows: the feed ends here, the rest is dropped."""
        with self._consumer:
            if not self._finished:
                self._tell(frames.TERMINATE)
            self._finish()

    def dataset(self, batch_size):
        """The feed as a tf.data.Dataset of dicts, batched; the last batch may be short.

        Waits for the first batch, which tells types and shapes. Auto-sharding is
        off: what a worker gets is its own share already. Iterating it a second
        time goes on where the first stopped.
        """
        import tensorflow as tf

        first = self.next_batch(batch_size)
        types = (
            {name: (_tensor_kind(name, array), array.shape[1:]) for name, array in first.items()}
            if first
            else self._declared_types()
        )
        spec = {}
        for name, (kind, shape) in types.items():
            dtype = tf.string if kind is None else tf.as_dtype(kind)
            spec[name] = tf.TensorSpec((None, *shape), dtype, name=name)
        ahead = [first] if first else []

        def generate():
            batch = ahead.pop() if ahead else self.next_batch(batch_size)
            while batch:
                for name, array in batch.items():
                    _tensor_kind(name, array)
                yield batch
                batch = self.next_batch(batch_size)

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return tf.data.Dataset.from_generator(generate, output_signature=spec).with_options(options)

    def _declared_types(self):
        """{tensor: (dtype, inner shape)} as far as the columns tell: this worker got no row."""
        if self._schema is None:
            raise RuntimeError(f"feed {self.name}: no row and no column came to this worker")
        mapping = self.mapping or [(name, name) for name in self._schema.names]
        return {
            tensor: arrays.declared(self._schema.field(column).type, tensor)
            for column, tensor in mapping
        }

    def close(self):
        """Ends the connection. Rows not handed out count as dropped."""
        with contextlib.suppress(OSError):  # the member closed first
            self._sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _fill(self, n):
        """Brings n rows into the stock, fewer at the end. False: there is none."""
        while self._rows < n and not self._finished:
            kind, epoch, value = self._take()
            if kind == "batch":
                self._tell(frames.NEXT, chunks=1)
                self._put(epoch, self._convert(epoch, value))
            else:
                if self._shuffle is not None:
                    self._stock_up(epoch, self._shuffle.flush())
                    self._shuffle = None
                self._finished = value
        return self._rows > 0

    def _convert(self, epoch, batch):
        try:
            return arrays.to_arrays(batch, self.mapping)
        except DataError as e:
            self.data_error = DataError(f"feed {self.name}, epoch {epoch}: {e}")
            raise self.data_error from None

    def _put(self, epoch, piece):
        rows = self.config.get("shuffle_rows") or 0
        if rows < 2:
            self._stock_up(epoch, piece)
            return
        if self._shuffle is None:
            seed = [(self.config.get("shuffle_seed") or 0) & (2**64 - 1), self.worker, epoch]
            self._shuffle = arrays.ShuffleBuffer(rows, seed)
        self._stock_up(epoch, self._shuffle.push(piece))

    def _stock_up(self, epoch, piece):
        if piece is not None:
            self._stock.append((epoch, piece))
            self._rows += arrays.length(piece)

    def _hand_out(self, n):
        pieces, left, epochs = [], n, set()
        while left:
            epoch, piece = self._stock.popleft()
            rows = arrays.length(piece)
            if rows > left:
                self._stock.appendleft((epoch, arrays.cut(piece, left, rows)))
                piece, rows = arrays.cut(piece, 0, left), left
            pieces.append(piece)
            left -= rows
            self._trained[epoch] = self._trained.get(epoch, 0) + rows
            epochs.add(epoch)
        self._rows -= n
        self._handed += n
        self.epoch = max(epochs)
        batch = arrays.join(pieces)
        for e in sorted(epochs):
            self._tell(frames.TRAINED, epoch=e, rows=self._trained[e])
        return batch

    def _may_step(self, n):
        """In a synchronous feed: whether every worker holds the rows of this step."""
        if not self.config.get("synchronous"):
            return True
        step = -(-(self._handed + n) // self._batch_rows)
        if step <= self._permitted:
            return True
        self._answer = None
        self._tell(frames.PERMIT, step=step)
        with self._changed:
            while self._answer is None and self._error is None:
                self._changed.wait()
        if self._answer is None:
            raise ConnectionError(f"feed {self.name}: {self._error}")
        if self._answer["go"]:
            self._permitted = step
            return True
        self._finish()
        return False

    def _finish(self):
        self._finished = True
        self._stock.clear()
        self._rows = 0
        self._shuffle = None

    def _take(self):
        with self._changed:
            while not self._arrived and self._error is None:
                self._changed.wait()
            if self._arrived:
                return self._arrived.popleft()
        raise ConnectionError(f"feed {self.name}: {self._error}")

    def _tell(self, typ, **message):
        with self._sending:
            frames.send_json(self._sock, typ, {"feed": self.name, **message})

    def _read(self):
        """The reader thread: frames into _arrived, until the connection ends."""
        error = None
        try:
            schema = None
            while (header := frames.read_header(self._sock)) is not None:
                schema = self._frame(*header, schema)
            error = "the member closed the connection"
        except Exception as e:
            error = str(e) or repr(e)
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _frame(self, typ, size, schema):
        """Reads one payload; returns the schema from now on."""
        if typ == frames.BATCH:
            head = frames.read_payload(self._sock, frames.BATCH_HEADER.size)
            epoch, rows = frames.BATCH_HEADER.unpack(head)
            body = pa.allocate_buffer(size - len(head))  # aligned, as numpy likes it
            frames.recv_into(self._sock, memoryview(body).cast("B"))
            self._arrive("batch", epoch, pa.ipc.read_record_batch(body, schema).slice(0, rows))
            return schema
        payload = frames.read_payload(self._sock, size)
        if typ == frames.SCHEMA:
            self._schema = pa.ipc.read_schema(pa.py_buffer(payload))
            return self._schema
        message = frames.parse(payload)
        if typ == frames.EPOCH_END:
            self._arrive("end", message["epoch"], message["last"])
        elif typ == frames.PERMITTED:
            with self._changed:
                self._answer = message
                self._changed.notify_all()
        else:
            raise frames.ProtocolError(f"frame 0x{typ:02x} from the member")
        return schema

    def _arrive(self, *event):
        with self._changed:
            self._arrived.append(event)
            self._changed.notify_all()


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


def _find(feeds, name):
    if not feeds:
        raise RuntimeError("no feed: the job's input_mode is not spark, or this role is not fed")
    if name is None:
        return feeds[0]
    for config in feeds:
        if config["name"] == name:
            return config
    raise RuntimeError(f"no feed {name!r}: this job has {', '.join(c['name'] for c in feeds)}")


def _values(array):
    """Rows as Python values; rows that are lists stay arrays."""
    return array.tolist() if array.ndim == 1 else list(array)


def _plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _tensor_kind(name, array):
    """The array's dtype; None for strings. Ragged lists have no tensor form."""
    if array.dtype != object:
        if array.dtype.kind == "M":
            raise DataError(f"tensor {name}: TensorFlow has no dates: select a number instead")
        return array.dtype
    if not all(isinstance(v, (str, bytes)) for v in array.flat):
        raise DataError(
            f"tensor {name}: its lists have different lengths: "
            "pad them in the input, or use ctx.next_batch"
        )
    return None
