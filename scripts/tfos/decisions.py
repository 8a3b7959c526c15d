"""What a feed task decides: which rows are still to be sent, how they are cut, who gets them.

No input or output: feeder.py has the connections. internal/feed/task decides the same in Go.
internal/feed/task/testdata/decisions.json holds both: the constants below, and scenarios with the
decision that each step must have (scripts/tests/test_decisions.py, decisions_test.go).
"""

from collections import deque

# Smaller partitions are not cut for the sake of evenness.
MIN_ROWS = 8

# A chunk costs as much as 100 KB of its bytes. So chunks of small rows grow, up to
# GROWN_BYTES, but only to a part of the rows sent so far: members stay as even.
GROWN_BYTES = 256 << 10
GROWN_PART = 256

# Chunks a member may have unacknowledged from one task. More would let tasks
# act on old counts: all of them rush to the lowest member, then to another,
# each time further (20 chunks apart were seen with 4 tasks).
UNACKED = 2

# Bounds connecting and the wait for WELCOME, which an earlier attempt's stream
# must end before.
HELLO_SECONDS = 60


class Cutter:
    """Cuts the batches of one partition, in their order, into chunks."""

    def __init__(self, least_rows, members, held):
        """least_rows: of a chunk, unless the rows end before; members: how many there are;
        held: (first row, rows) of all ranges that members have, in any order."""
        self.least_rows = max(1, least_rows)
        self.chunk_rows = self.least_rows  # of a chunk, by now
        self.rows = self.skipped = 0  # of the batches so far
        self._members = members
        self._held = deque(union(held))

    def cut(self, rows, size, sent):
        """The (first, rows) of each chunk that is to be sent of the next batch.

        size: of the batch, about, in bytes; sent: rows that members have, of all tasks.
        """
        start = self.rows
        self.rows += rows
        while self._held and self._held[0][1] <= start:
            self._held.popleft()
        parts = missing(self._held, start, self.rows)
        self.skipped += rows - sum(count for _, count in parts)
        fit = GROWN_BYTES * rows // max(1, size)
        self.chunk_rows = max(self.least_rows, min(fit, sent // GROWN_PART))
        most = self.chunk_rows
        if start == 0:  # of a small partition every member shall get some
            most = min(most, max(MIN_ROWS, -(-rows // self._members)))
        return [
            (at, min(most, first + count - at))
            for first, count in parts
            for at in range(first, first + count, most)
        ]


def choose(links, rows, chunk_rows, equal, turn):
    """The link of the member for a chunk of so many rows; None: none is ready.

    chunk_rows: of a chunk, by now; equal: no member may be far ahead of another that wants rows;
    turn: where to start among equals.
    """
    wanting = [link for link in links if link.stopped is None]
    ready = [link for link in wanting if link.ready]
    if equal and wanting:
        limit = min(link.rows for link in wanting) + 2 * chunk_rows
        ready = [link for link in ready if link.rows <= limit]
    if not ready:
        return None
    lowest = min(link.rows for link in ready)
    local = [link for link in ready if link.local and link.rows - lowest < rows]
    near = local or [link for link in ready if link.rows == lowest]
    lowest = min(link.rows for link in near)
    near = [link for link in near if link.rows == lowest]
    # Tasks that start together see equal counts: they start at different members.
    return near[turn % len(near)]


def over(links):
    """Why to send no more: a program failed, or nobody wants rows. None: somebody does."""
    for link in links:
        if link.stopped is not None and link.stopped["failed"]:
            return f"{link.name}: {link.stopped['reason']}"
    if all(link.stopped is not None for link in links):
        return "; ".join(f"{link.name}: {link.stopped['reason']}" for link in links)
    return None


def union(pairs):
    """Sorted, disjoint (first, end) from (first, rows) pairs."""
    spans = []
    for first, rows in sorted(pairs):
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], first + rows)
        else:
            spans.append([first, first + rows])
    return spans


def missing(spans, start, end):
    """The (first, rows) of [start, end) that no span covers; spans end after start."""
    parts = []
    for first, stop in spans:
        if first >= end:
            break
        if first > start:
            parts.append((start, first - start))
        start = max(start, stop)
    if start < end:
        parts.append((start, end - start))
    return parts
