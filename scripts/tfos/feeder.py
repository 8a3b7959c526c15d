"""The feed task: one partition's rows, in Arrow chunks, to all members.

Runs inside Spark's mapInArrow on executors. In: record batches of one
partition. Out: chunks to members by docs/protocols.md section 5, and one row
of RESULT_SCHEMA to the driver. Arrow columns are opaque here. Needs pyarrow
and the standard library; pyspark for the task's identity only.
"""

import gc
import sys
import zipimport
from collections import deque
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

import pyarrow as pa

from tfos import frames, links

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

# Smaller partitions are not cut for the sake of evenness.
_MIN_ROWS = 8

# A chunk costs as much as 100 KB of its bytes. So chunks of small rows grow, up to
# _GROWN_BYTES, but only to a part of the rows sent so far: members stay as even.
_GROWN_BYTES = 256 << 10
_GROWN_PART = 256


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
    return pa.RecordBatch.from_pylist([result], schema=_RESULT)


class RowError(ValueError):
    """Rows that no attempt can feed."""


class _Feeder:
    def __init__(self, feed, members, credentials, hello):
        self.least_rows = max(1, int(feed["chunk_rows"]))
        self.chunk_rows = self.least_rows  # of a chunk, by now
        self.equal = feed.get("balance", "equal") == "equal"
        self.hello = hello
        self.partition = hello["partition"]
        self.rows = self.sent = self.skipped = 0
        self.error = self.note = None
        self.schema = None
        self.links = []
        self.selector = DefaultSelector()
        try:
            for member in members:
                sock, local = links.connect(member["feed"], credentials["ca"])
                self.links.append(links.Link(member, sock, local))
            self.accepted = deque(_union([r for link in self.links for r in self._greet(link)]))
            if self.accepted and not feed["repeatable"]:
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
            "rows": self.rows,
            "sent": self.sent,
            "skipped": self.skipped,
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
        start = self.rows
        self.rows += batch.num_rows
        while self.accepted and self.accepted[0][1] <= start:
            self.accepted.popleft()
        missing = _missing(self.accepted, start, self.rows)
        self.skipped += batch.num_rows - sum(n for _, n in missing)
        if self.schema is None:
            self.schema = memoryview(batch.schema.serialize())
            self._send_schema()
        self._grow(batch)
        chunk_rows = self.chunk_rows
        if start == 0:  # of a small partition every member shall get some
            chunk_rows = min(chunk_rows, max(_MIN_ROWS, -(-batch.num_rows // len(self.links))))
        for first, count in missing:
            for at in range(first, first + count, chunk_rows):
                rows = min(chunk_rows, first + count - at)
                if not self._send_rows(at, batch.slice(at - start, rows)):
                    return False
        return True

    def _grow(self, batch):
        """Fits the rows of a chunk to their size and to what was sent, by all tasks."""
        fit = _GROWN_BYTES * batch.num_rows // max(1, batch.nbytes)
        part = sum(link.rows for link in self.links) // _GROWN_PART
        self.chunk_rows = max(self.least_rows, min(fit, part))

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
        while not self._over():
            link = self._candidate(rows)
            if link is not None:
                return link
            self._pump(wait=True)
        return None

    def _candidate(self, rows):
        wanting = [link for link in self.links if link.stopped is None]
        ready = [link for link in wanting if link.ready]
        if self.equal and wanting:
            limit = min(link.rows for link in wanting) + 2 * self.chunk_rows
            ready = [link for link in ready if link.rows <= limit]
        if not ready:
            return None
        lowest = min(link.rows for link in ready)
        local = [link for link in ready if link.local and link.rows - lowest < rows]
        near = local or [link for link in ready if link.rows == lowest]
        lowest = min(link.rows for link in near)
        near = [link for link in near if link.rows == lowest]
        # Tasks that start together see equal counts: they start at different members.
        return near[(self.partition + self.hello["epoch"]) % len(near)]

    def _over(self):
        """Whether to send no more: a program failed, or nobody wants rows."""
        for link in self.links:
            if link.stopped is not None and link.stopped["failed"]:
                self.note = f"{link.name}: {link.stopped['reason']}"
                return True
        if all(link.stopped is not None for link in self.links):
            self.note = "; ".join(f"{link.name}: {link.stopped['reason']}" for link in self.links)
            return True
        return False

    def _finish(self):
        """Waits until all rows are acknowledged, then says END everywhere."""
        while any(link.unacked and not link.lost for link in self.links):
            self._pump(wait=True)
            if self._over():
                return
        end = frames.encode_json(frames.END, {"rows": self.rows})
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


def _union(pairs):
    """Sorted, disjoint (first, end) from (first, rows) pairs."""
    spans = []
    for first, rows in sorted(pairs):
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], first + rows)
        else:
            spans.append([first, first + rows])
    return spans


def _missing(spans, start, end):
    """The (first, rows) of [start, end) that no span covers; spans end after start."""
    missing = []
    for first, stop in spans:
        if first >= end:
            break
        if first > start:
            missing.append((start, first - start))
        start = max(start, stop)
    if start < end:
        missing.append((start, end - start))
    return missing
