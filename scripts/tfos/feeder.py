"""The feed task: one partition's rows, in Arrow chunks, to all members.

Runs inside Spark's mapInArrow on executors. In: record batches of one
partition. Out: chunks to members by docs/protocols.md section 5, and one row
of RESULT_SCHEMA to the driver. Arrow columns are opaque here. What it decides is in
decisions.py. Needs pyarrow and the standard library; pyspark for the task's identity only.
"""

import gc
import sys
import zipimport
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

import pyarrow as pa

from tfos import decisions, frames, links

# One row a partition. rows: read of it; sent: acknowledged to this attempt;
# skipped: held by members since an earlier attempt; error: bad data, permanent;
# note: why the task ended before its last row, when it did.
RESULT_SCHEMA = "partition int, rows long, sent long, skipped long, error string, note string"

_RESULT = pa.schema(
    [
        ("partition", pa.int32()),
        ("rows", pa.int64()),
        ("sent", pa.int64()),
        ("skipped", pa.int64()),
        ("error", pa.string()),
        ("note", pa.string()),
    ]
)


def make_feeder(feed, epoch, members, credentials):
    """The function for DataFrame.mapInArrow(function, RESULT_SCHEMA).

    feed: an entry of the plan's feeds (name, chunk_rows, balance) and repeatable:
    whether a partition read again has its rows in the same order; members: those
    of the formed event that take this feed; credentials: {"ca": PEM, "token": str}.
    Raises in the task when a member's connection breaks, so that Spark tries
    the partition again; bad data is reported in the column error instead,
    because trying again would not help.
    """

    def run(batches):
        from pyspark import TaskContext

        from tfos import feeder

        task = TaskContext.get()
        yield feeder.feed_partition(
            feed,
            epoch,
            members,
            credentials,
            batches,
            partition=task.partitionId(),
            attempt=task.taskAttemptId(),
        )
        feeder.keep_warm()

    return run


def keep_warm():
    """Lets this Python worker start its next task sooner, by about 0.1 s of CPU.

    Between tasks PySpark invalidates the import caches, upon which every finder of pyspark.zip
    (one a package) reads the archive's directory again; a finder that is needed is made anew.
    And it collects garbage, among all that the imports have made: that stays anyway.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimport.zipimporter):
            del sys.path_importer_cache[path]
    if not gc.get_freeze_count():
        gc.freeze()


def feed_partition(feed, epoch, members, credentials, batches, partition, attempt):
    """Sends one partition; returns its RESULT_SCHEMA row as a RecordBatch."""
    hello = {
        "version": frames.VERSION,
        "token": credentials["token"],
        "feed": feed["name"],
        "epoch": epoch,
        "partition": partition,
        "attempt": attempt,
        "shared": True,
    }
    with _Feeder(feed, members, credentials, hello) as feeder:
        feeder.run(batches)
        result = feeder.result()
    return pa.RecordBatch.from_arrays(
        [_array_of_one(result[field.name], field.type) for field in _RESULT], schema=_RESULT
    )


def _array_of_one(value, kind):
    """An array of a text, a whole number or None: pyarrow.array would import pandas where it is
    installed, which takes each Python worker 0.5 s of CPU."""
    if value is None:
        return pa.nulls(1, kind)
    if pa.types.is_string(kind):
        text = value.encode()
        ends = b"".join(end.to_bytes(4, sys.byteorder) for end in (0, len(text)))
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(ends), pa.py_buffer(text)])
    data = value.to_bytes(kind.bit_width // 8, sys.byteorder, signed=True)
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(data)])


class RowError(ValueError):
    """Rows that no attempt can feed."""


class _Feeder:
    def __init__(self, feed, members, credentials, hello):
        self.equal = feed.get("balance") != "demand"
        self.hello = hello
        self.partition = hello["partition"]
        self.sent = 0
        self.error = self.note = None
        self.schema = None
        self.links = []
        self.selector = DefaultSelector()
        try:
            for member in members:
                sock, local = links.connect(member["feed"], credentials["ca"])
                self.links.append(links.Link(member, sock, local))
            held = [pair for link in self.links for pair in self._greet(link)]
            self.cutter = decisions.Cutter(int(feed["chunk_rows"]), len(members), held)
            if held and not feed["repeatable"]:
                raise RuntimeError(
                    f"feed {feed['name']}: partition {self.partition} was tried again, but its "
                    "rows may come in another order (a query with a join, aggregation, sample "
                    "or rand(), or a source other than files): write its result to files and "
                    "feed those"
                )
            for link in self.links:
                link.sock.setblocking(False)
                self.selector.register(link.sock, EVENT_READ, link)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.selector.close()
        for link in self.links:
            link.close()

    def result(self):
        return {
            "partition": self.partition,
            "rows": self.cutter.rows,
            "sent": self.sent,
            "skipped": self.cutter.skipped,
            "error": self.error,
            "note": self.note,
        }

    def _greet(self, link):
        """HELLO and WELCOME; returns the accepted ranges."""
        try:
            frames.send_json(link.sock, frames.HELLO, self.hello)
            welcome = frames.read_json(link.sock, frames.WELCOME)
            if welcome["stopped"]:
                link.stopped = frames.read_json(link.sock, frames.STOP)
        except OSError as e:
            raise ConnectionError(
                f"feed: {link.name} did not welcome partition {self.partition}: {e}"
            ) from e
        link.credit = welcome["credit"]
        link.total = welcome["total"]
        link.share(welcome.get("shared"))
        return welcome["accepted"]

    def run(self, batches):
        try:
            for batch in batches:
                self._pump(wait=False)
                if self._over() or not self._send_batch(batch):
                    return
            self._finish()
        except RowError as e:
            self.error = str(e)

    def _send_batch(self, batch):
        """False: no member wants more."""
        if self.schema is None:
            self.schema = memoryview(batch.schema.serialize())
            self._send_schema()
        start = self.cutter.rows
        sent = sum(link.rows for link in self.links)
        for first, rows in self.cutter.cut(batch.num_rows, batch.nbytes, sent):
            if not self._send_rows(first, batch.slice(first - start, rows)):
                return False
        return True

    def _send_schema(self):
        """To every member: one that gets no row still learns the columns."""
        for link in self.links:
            if link.stopped is None:
                link.out.extend(map(memoryview, frames.encode(frames.SCHEMA, self.schema)))
                self._flush(link)

    def _send_rows(self, first, batch):
        """Sends rows as one chunk, or as several when they are too large."""
        if pa.ipc.get_record_batch_size(batch) > frames.MAX_CHUNK:
            if batch.num_rows == 1:
                size = pa.ipc.get_record_batch_size(batch)
                raise RowError(
                    f"row {first} of partition {self.partition} has {size} bytes; "
                    f"a row may have at most {frames.MAX_CHUNK}: shorten it in the input"
                )
            half = batch.num_rows // 2
            return self._send_rows(first, batch.slice(0, half)) and self._send_rows(
                first + half, batch.slice(half)
            )
        body = memoryview(batch.serialize())
        link = self._choose(batch.num_rows)
        if link is None:
            return False
        link.put(first, batch.num_rows, body)
        self._flush(link)
        return True

    def _choose(self, rows):
        """The member for a chunk of so many rows; waits for credit. None: nobody wants it."""
        self._pump(wait=False)
        turn = self.partition + self.hello["epoch"]
        while not self._over():
            link = decisions.choose(self.links, rows, self.cutter.chunk_rows, self.equal, turn)
            if link is not None:
                return link
            self._pump(wait=True)
        return None

    def _over(self):
        """Whether to send no more."""
        self.note = decisions.over(self.links)
        return self.note is not None

    def _finish(self):
        """Waits until all rows are acknowledged, then says END everywhere."""
        while any(link.unacked and not link.lost for link in self.links):
            self._pump(wait=True)
            if self._over():
                return
        end = frames.encode_json(frames.END, {"rows": self.cutter.rows})
        for link in self.links:
            if not link.lost:
                link.out.append(memoryview(end))
                self._flush(link)
        while any(not link.ended and not link.lost for link in self.links):
            self._pump(wait=True)

    def _flush(self, link):
        try:
            link.flush()
        except OSError as e:
            self._lose(link, e)
            return
        if bool(link.out) != link.writing:
            link.writing = not link.writing
            events = EVENT_READ | EVENT_WRITE if link.writing else EVENT_READ
            self.selector.modify(link.sock, events, link)

    def _pump(self, wait):
        """Reads and writes what can be; wait: until something could."""
        for key, _ in self.selector.select(None if wait else 0):
            link = key.data
            try:
                arrived = link.receive()
            except OSError as e:
                self._lose(link, e)
                continue
            for typ, payload in arrived:
                self._handle(link, typ, payload)
            if link.out:
                self._flush(link)

    def _lose(self, link, error):
        """A member that wanted no more may go; another's end is for Spark to retry."""
        if link.stopped is None:
            raise ConnectionError(f"feed: connection to {link.name} broke: {error}") from error
        link.lost = True
        link.out.clear()
        self.selector.unregister(link.sock)

    def _handle(self, link, typ, payload):
        if typ == frames.ACK:
            first, rows, link.total = frames.ACK_BODY.unpack(payload)
            if rows:
                if not link.unacked or link.unacked.popleft() != (first, rows):
                    raise frames.ProtocolError(
                        f"feed: {link.name} acknowledged {rows} rows at {first} out of order"
                    )
                link.unacked_rows -= rows
                self.sent += rows
        elif typ == frames.CREDIT:
            link.credit += frames.CREDIT_BODY.unpack(payload)[0]
        elif typ == frames.SLOT:
            link.slots.append(frames.SLOT_BODY.unpack(payload)[0])
        elif typ == frames.STOP:
            link.stopped = frames.parse(payload)
        elif typ == frames.ENDED:
            link.ended = True
        else:
            raise frames.ProtocolError(f"feed: frame 0x{typ:02x} from {link.name}")
