"""A program's connection for one feed: chunks as they come, and what is told back.

docs/protocols.md section 5 is the wire.
"""

import contextlib
import math
import os
import socket
import threading
import time
from collections import deque
from typing import NamedTuple

import pyarrow as pa

from tfos import frames
from tfos.shared import Shared, drained

# The member is told of rows handed out once in this time at most. A program may take thousands of
# small batches a second, and a frame for each would cost both sides more than the batches.
TELL_SECONDS = 0.05


class Chunk(NamedTuple):
    """Rows as the member sent them."""

    epoch: int
    rows: int  # of the record batch, from its first, that count
    partition: int  # of the input
    first: int  # row of the partition
    schema: pa.Schema
    body: pa.Buffer  # the Arrow IPC record batch message

    def batch(self):
        """The rows, sharing memory with body."""
        return pa.ipc.read_record_batch(self.body, self.schema).slice(0, self.rows)

    def place(self, row):
        """Where a row of batch() stands in the input, in words."""
        return f"row {self.first + row} of partition {self.partition} of the input"


class EpochEnd(NamedTuple):
    """No more rows of epoch follow; last: nor of the feed."""

    epoch: int
    last: bool


class FeedConnection:
    """One feed of this program, on a connection of its own. Methods may be called by
    several threads. All raise ConnectionError when the member or close() has ended the
    connection. take() first returns what had come before that.

    name, config  of the feed; worker: this worker's number in the cluster
    schema        the columns, when the first chunk or an epoch's end has come
    waited        seconds that take() has waited for the member
    """

    def __init__(self, socket_path, name, prefetch=2, decoder=None, clock=time.monotonic):
        """name: of the feed. prefetch: chunks ahead, at least 1. decoder(config, worker) returns
        a function. It is called with each Chunk and EpochEnd as it comes, and returns a list of
        what take() gives instead; the list may be empty. The thread that reads the connection
        calls it: rows are decoded while the program computes, and no further thread is woken.
        """
        self._clock = clock
        self._sock, context = frames.attach(socket_path)
        self._pid = os.getpid()
        try:
            self.config = _find(context["feeds"], name)
            self.name = self.config["name"]
            self.worker = context["worker_num"]
            self.schema = None
            self.waited = 0.0
            self._changed = threading.Condition()
            self._decode = decoder and decoder(self.config, self.worker)
            self._decoding = None  # since when
            self._decoded = 0.0  # seconds of decoding that have ended
            self._failure = None  # of the decoder: it gets nothing more
            self._arrived = deque()  # what take() gives, and how many chunks it ends
            self._error = None  # why nothing more arrives
            self._cache = None  # the file with chunks of the first epoch
            self._shared = None  # Shared: chunks that the member lends
            self._freed = deque()  # their slots, when nobody looks at them any more
            self._sending = threading.Lock()
            self._handed = {}  # rows reported by the program, by epoch
            self._untold = {}  # of them, what the member does not know
            self._told = -math.inf  # when it was told last
            self._asking = threading.Lock()
            self._answer = None  # to PERMIT
            self._permitted = 0  # steps
            self._refused = False  # the step after them, and so all later ones
            self._taken = 0  # chunks that the member was not asked for again
            self._ask_from = max(1, prefetch // 2)
            self._tell(frames.NEXT, chunks=max(1, prefetch), shared=True)
            self._reader = threading.Thread(target=self._read, name=f"feed {self.name}")
            self._reader.daemon = True  # a program that ends without close() must end
            self._reader.start()
        except BaseException:
            self._sock.close()
            raise

    def take(self):
        """The next Chunk or EpochEnd, or what the decoder makes of it; waits for it. Raises what
        the decoder has raised, also when it is called again. Do not call it after the last
        EpochEnd."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"feed {self.name}: its rows are the parent process's: take them there"
            )
        with self._changed:
            self._wait_for_arrival()
            if not self._arrived:
                raise self._failure or self._broken(self._error)
            item, chunks = self._arrived.popleft()
        if chunks:
            self._more(chunks)
        return item

    def ready(self, until):
        """Whether take() has something to give; waits for it to the time `until` of the clock."""
        with self._changed:
            self._wait_for_arrival(until)
            return bool(self._arrived)

    def _wait_for_arrival(self, until=None):
        if self._arrived:
            return
        began, decoded = self._clocks()
        in_time = True
        while not self._arrived and self._failure is None and self._error is None and in_time:
            left = None if until is None else max(0.0, until - self._clock())
            in_time = self._changed.wait(left)
        now, decoded_now = self._clocks()
        self.waited += max(0.0, (now - began) - (decoded_now - decoded))

    def _clocks(self):
        """The time, and how much of it was spent decoding."""
        now, since = self._clock(), self._decoding
        return now, self._decoded + (now - since if since is not None else 0.0)

    def _more(self, chunks):
        """Asks for as many chunks as were taken. It waits until half of the chunks ahead are
        taken, because each request wakes the member."""
        with self._sending:
            self._taken += chunks
            if self._taken >= self._ask_from:
                chunks, self._taken = self._taken, 0
                self._send(frames.NEXT, chunks=chunks, freed=drained(self._freed))

    def permit(self, step):
        """Whether step (from 1) of a synchronous feed may be taken: every worker holds its
        rows. Waits until that is known. The member is asked once for each step."""
        if step <= self._permitted:
            return True
        with self._asking:
            while self._permitted < step and not self._refused:
                if self._ask(self._permitted + 1):
                    self._permitted += 1
                else:
                    self._refused = True
        return step <= self._permitted

    def trained(self, handed, now=False):
        """Reports rows handed to the program, {epoch: total} in the order of epochs. Totals
        below earlier ones change nothing. The member is told at once if `now`, or if
        TELL_SECONDS have passed since it was told last; otherwise by a later report or close()."""
        with self._sending:
            for epoch in reversed(handed):  # in order: earlier ones do not change any more
                if handed[epoch] <= self._handed.get(epoch, 0):
                    break
                self._handed[epoch] = self._untold[epoch] = handed[epoch]
            if self._untold and (now or self._clock() - self._told >= TELL_SECONDS):
                self._tell_trained()

    def pace(self, report):
        """Reports how fast the program takes rows: a PACE message, all totals."""
        self._tell(frames.PACE, **report)

    def terminate(self):
        """Wants no more rows."""
        self._tell(frames.TERMINATE)

    def close(self):
        """Ends the connection. Rows not reported as trained count as dropped."""
        if os.getpid() != self._pid:  # a fork's copy: the connection is its parent's
            self._sock.close()
            return
        with self._sending, contextlib.suppress(ConnectionError):  # the member closed first
            self._tell_trained()
        self._stop("it is closed")
        with contextlib.suppress(OSError):  # the member closed first
            self._sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._sock.close()

    def _ask(self, step):
        self._answer = None
        self._tell(frames.PERMIT, step=step)
        with self._changed:
            while self._answer is None and self._error is None:
                self._changed.wait()
            if self._answer is None:
                raise self._broken(self._error)
            return self._answer["go"]

    def _tell_trained(self):
        for epoch in sorted(self._untold):
            self._send(frames.TRAINED, epoch=epoch, rows=self._untold[epoch])
        self._untold.clear()
        self._told = self._clock()

    def _tell(self, typ, **message):
        with self._sending:
            self._send(typ, **message)

    def _send(self, typ, **message):
        try:
            frames.send_json(self._sock, typ, {"feed": self.name, **message})
        except OSError as e:
            raise self._broken(self._error or e) from e

    def _broken(self, error):
        return ConnectionError(f"feed {self.name}: {error}")

    def _stop(self, error):
        """The first error stays."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _read(self):
        """The reader thread: frames into _arrived, until the connection ends."""
        try:
            while (header := frames.read_header(self._sock)) is not None:
                self._frame(*header)
            self._stop("the member closed the connection")
        except Exception as e:
            self._stop(str(e) or repr(e))

    def _frame(self, typ, size):
        if typ == frames.BATCH:
            head = frames.read_payload(self._sock, frames.BATCH_HEADER.size)
            body = pa.allocate_buffer(size - len(head))  # aligned, as numpy likes it
            frames.recv_into(self._sock, memoryview(body).cast("B"))
            self._arrive(Chunk(*frames.BATCH_HEADER.unpack(head), self.schema, body))
            return
        payload = frames.read_payload(self._sock, size)
        if typ == frames.SCHEMA:
            self.schema = pa.ipc.read_schema(pa.py_buffer(payload))
            return
        message = frames.parse(payload)
        if typ == frames.CACHED:
            self._arrive(self._cached(message))
        elif typ == frames.EPOCH_END:
            self._arrive(EpochEnd(message["epoch"], message["last"]))
        elif typ == frames.PERMITTED:
            with self._changed:
                self._answer = message
                self._changed.notify_all()
        else:
            raise frames.ProtocolError(f"frame 0x{typ:02x} from the member")

    def _cached(self, told):
        """A chunk that lies in a file or in memory of the member: mapped, not copied."""
        place = told["epoch"], told["rows"], told["partition"], told["first_row"], self.schema
        if "slot" in told:
            if self._shared is None:
                self._shared = Shared(told["path"], told["inode"], self._freed)
            body = self._shared.borrow(told["slot"], told["offset"], told["bytes"])
            return Chunk(*place, body)
        if self._cache is None:
            self._cache = pa.memory_map(told["path"])
        self._cache.seek(told["offset"])
        body = self._cache.read_buffer(told["bytes"])
        if body.size < told["bytes"]:
            raise OSError(f"{told['path']}: cut short")
        return Chunk(*place, body)

    def _arrive(self, event):
        chunks = int(isinstance(event, Chunk))
        items = [event] if self._decode is None else self._made_of(event)
        if not items and self._failure is None:
            self._more(chunks)  # it is in the decoder's shuffle
        arrived = [(item, 0) for item in items]
        arrived[-1:] = [(item, chunks) for item, _ in arrived[-1:]]
        with self._changed:
            self._arrived.extend(arrived)
            self._changed.notify_all()

    def _made_of(self, event):
        if self._failure is not None:
            return []
        self._decoding = self._clock()
        try:
            return self._decode(event)
        except Exception as e:
            self._failure = e
            return []
        finally:
            self._decoded += self._clock() - self._decoding
            self._decoding = None


def _find(feeds, name):
    if not feeds:
        raise RuntimeError("no feed: the job's input_mode is not spark, or this role is not fed")
    for config in feeds:
        if config["name"] == name:
            return config
    raise RuntimeError(
        f"no feed {name!r} here: this member takes {', '.join(c['name'] for c in feeds)} "
        "(an evaluator takes validation, and it alone)"
    )
