"""The predict task: one partition's rows to a member's engine, and its predictions back.

Runs inside Spark's mapInArrow on executors. In: record batches of one partition. Out: as many,
with the kept columns and then the predictions, row beside row, in their order, without the rows
that the engine sets aside. The engine sees the model's inputs only, and the kept columns where
they go into its quarantine. docs/protocols.md section 5 is the contract. Needs pyarrow and the
standard library; pyspark for the task's identity only.
"""

import os
from collections import deque
from pathlib import Path

import pyarrow as pa

from tfos import frames, links

# Batches whose predictions have not been read: the engine takes in so many (infer.StreamWindow)
# whatever is read of it, so that neither side waits for the other. Beyond IN_FLIGHT bytes there
# is one.
WINDOW = 4
IN_FLIGHT = 32 << 20

# Spark has no unsigned integers: each goes into the next larger type (infer.Contract).
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}


def make_predictor(work, members, credentials, given, done=frozenset()):
    """The function for DataFrame.mapInArrow.

    work: {"feed": name, "inputs": columns for the engine, "keep": columns that stay, "fail":
    whether the engine ends at a row that cannot be predicted, or leaves it out, "batch": how many
    rows, or whole multiples, the engine takes at a time; absent: any}; members: those
    of the formed event; credentials: {"ca": PEM, "token": str}; given: a Spark accumulator of
    the rows that go back to Spark; done: the numbers of partitions of which nothing is to be
    read. Raises in the task when a member's connection breaks, so that Spark tries the partition
    again. An engine that ends says why itself.
    """

    def run(batches):
        from pyspark import TaskContext

        from tfos import feeder, predictor

        task = TaskContext.get()
        if task.partitionId() in done:
            return
        for batch in predictor.predict_partition(
            work,
            members,
            credentials,
            batches,
            partition=task.partitionId(),
            attempt=task.taskAttemptId(),
        ):
            given.add(batch.num_rows)
            yield batch
        feeder.keep_warm()

    return run


def predict_partition(work, members, credentials, batches, partition, attempt):
    """Yields the batches of one partition with their predictions."""
    stream = None
    try:
        for batch in regroup(batches, work.get("batch", 1)):
            if stream is None:  # a partition without rows needs no member
                stream = _Stream(work, members, credentials, partition, attempt)
            while not stream.roomy(batch):
                yield stream.receive()
            stream.send(batch)
        while stream is not None and stream.waiting:
            yield stream.receive()
        if stream is not None:
            stream.end()
    finally:
        if stream is not None:
            stream.close()


def regroup(batches, size):
    """The rows in batches that are whole multiples of size, but for the last; none is empty."""
    left = None
    for batch in batches:
        if left is not None and batch.num_rows:
            batch = pa.Table.from_batches([left, batch]).combine_chunks().to_batches()[0]
        elif left is not None:
            batch = left
        whole = batch.num_rows - batch.num_rows % size
        if whole:
            yield batch.slice(0, whole)
        left = batch.slice(whole) if whole < batch.num_rows else None
    if left is not None:
        yield left


class _Stream:
    """One partition's connection to an engine."""

    def __init__(self, work, members, credentials, partition, attempt):
        self.work = work
        self.place = f"partition {partition}"
        self.waiting = deque()  # (kept columns, rows, bytes) of batches sent
        self.bytes = 0  # of them
        self.sink = self.source = self.writer = self.reader = None
        member = choose(members, partition)
        self.name = f"{member['job']}:{member['index']}"
        self.sock, _ = links.connect(member["feed"], credentials["ca"])
        try:
            self._greet(credentials["token"], partition, attempt)
        except BaseException:
            self.close()
            raise

    def _greet(self, token, partition, attempt):
        hello = {
            "version": frames.VERSION,
            "token": token,
            "feed": self.work["feed"],
            "epoch": 0,
            "partition": partition,
            "attempt": attempt,
        }
        self.sock.settimeout(None)  # its engine may still load the model
        try:
            frames.send_json(self.sock, frames.HELLO, hello)
            header = frames.read_header(self.sock)
        except OSError as err:
            raise self._broken(err) from err
        if header is None:
            raise self._broken("it refused the task")
        answer = frames.parse(frames.read_payload(self.sock, header[1]))
        if header[0] == frames.STOP:
            raise self._broken(answer["reason"])
        if header[0] != frames.WELCOME:
            raise frames.ProtocolError(f"predict: frame 0x{header[0]:02x} from {self.name}")

    def _broken(self, why):
        return ConnectionError(f"predict: {self.name} did not predict {self.place}: {why}")

    def roomy(self, batch):
        """Whether batch may be sent before another prediction is read."""
        if not self.waiting:
            return True
        return len(self.waiting) < WINDOW and self.bytes + batch.nbytes <= IN_FLIGHT

    def send(self, batch):
        kept = [batch.column(name) for name in self.work["keep"]]
        given = batch.select(self.work["inputs"])
        size = given.nbytes
        try:
            if self.writer is None:
                self.sink = _Sink(self.sock)
                self.writer = pa.ipc.new_stream(pa.PythonFile(self.sink, "w"), given.schema)
            self.writer.write_batch(given)
            self.sink.send()
        except (OSError, pa.ArrowException) as err:
            raise self._broken(err) from err
        self.waiting.append((kept, batch.num_rows, size))
        self.bytes += size

    def receive(self):
        """The oldest batch that waits, with its predictions."""
        kept, rows, size = self.waiting.popleft()
        self.bytes -= size
        try:
            if self.reader is None:
                self.source = self.sock.makefile("rb")
                self.reader = pa.ipc.open_stream(self.source)
            predictions = self.reader.read_next_batch()
        except (OSError, StopIteration, pa.ArrowException) as err:
            raise self._broken(str(err) or "its predictions ended early") from err
        given = predictions.num_rows
        if given > rows or (given < rows and self.work["fail"]):
            raise frames.ProtocolError(
                f"predict: {self.name} gave {given} predictions for {rows} rows"
            )
        outputs, names = predictions.columns, predictions.schema.names
        if not self.work["fail"]:  # the first column numbers the rows
            if given < rows:
                kept = [column.take(outputs[0]) for column in kept]
            outputs, names = outputs[1:], names[1:]
        return pa.RecordBatch.from_arrays(
            [*kept, *map(signed, outputs)], [*self.work["keep"], *names]
        )

    def end(self):
        """Says that this was all; the engine's end says that it has counted the partition."""
        try:
            self.writer.close()
            self.sink.send()
            self.reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as err:
            raise self._broken(err) from err
        raise frames.ProtocolError(f"predict: {self.name} gave more predictions than rows")

    def close(self):
        if self.source is not None:
            self.source.close()  # which holds the connection open too
        self.sock.close()


class _Sink:
    """What Arrow writes, as it lies in memory, for one gathered write."""

    closed = False

    def __init__(self, sock):
        self._sock = sock
        self._parts = []

    def write(self, data):
        part = memoryview(data)
        self._parts.append(part)
        return part.nbytes

    def flush(self):
        pass

    def send(self):
        parts, self._parts = self._parts, []
        links.send_all(self._sock, parts)


def choose(members, partition):
    """The member that predicts a partition: of this executor, else of this kernel, else any."""
    mine = _ancestors()
    near = [one for one in members if one.get("executor") in mine]
    if not near:
        boot = links.boot_id()
        near = [one for one in members if one["feed"].get("boot_id") == boot]
    near = near or members
    return near[partition % len(near)]


def _ancestors():
    """The identities of the processes above this one, as members name their executor's."""
    try:
        boot, space = links.boot_id(), os.readlink("/proc/self/ns/pid")
        found, pid = set(), os.getpid()
        while pid > 1:
            # pid (name) state ppid …; the 22nd is when it started: proc(5).
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found.add(f"{boot}/{space}/{pid}/{fields[19]}")
            pid = int(fields[1])
    except OSError:
        return set()
    return found


def signed(column):
    """The column in a type that Spark has."""
    wanted = _signed_type(column.type)
    return column if wanted == column.type else column.cast(wanted)


def _signed_type(kind):
    if pa.types.is_list(kind):
        inner = _signed_type(kind.value_type)
        return kind if inner == kind.value_type else pa.list_(inner)
    return _SIGNED.get(kind, kind)
