"""Members for tests: the Go receiver in processes of their own.

The test binary of internal/feed acts as a member when TFOS_FEED_MEMBER is set
(internal/feed/main_test.go).
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
from tfos import feeder

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "the run's secret"


def build(folder):
    """Builds the member unless another process has built it in this folder; returns its path."""
    binary = Path(folder) / "member"
    with open(Path(folder) / "member.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            command = ["go", "test", "-c", "-o", str(binary), "./internal/feed"]
            subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return binary


class Member:
    """One member process. feeds: feed.Config as JSON has it."""

    def __init__(self, binary, index, feeds):
        self.index = index
        self.folder = tempfile.mkdtemp(prefix="tfos-test-")
        setup = {"dir": self.folder, "token": TOKEN, "worker": index, "feeds": feeds}
        self.process = subprocess.Popen(
            [str(binary)],
            env={**os.environ, "TFOS_FEED_MEMBER": json.dumps(setup)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asking = threading.Lock()
        self.ready = json.loads(self.process.stdout.readline())
        self.socket = self.ready["child"]
        self.credentials = {"ca": self.ready["ca"], "token": TOKEN}

    def described(self, tcp=False):
        """The member as the formed event has it; tcp: as if it were on another host."""
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        address = {
            "boot_id": "another kernel" if tcp else boot_id,
            "unix": self.ready["unix"],
            "tcp": self.ready["tcp"],
        }
        return {
            "job": "worker",
            "index": self.index,
            "host": "localhost",
            "feeds": ["train"],
            "feed": address,
        }

    def ask(self, cmd, **fields):
        with self._asking:
            self.process.stdin.write(json.dumps({"cmd": cmd, **fields}) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def end(self, epoch=0, last=True, feed="train"):
        assert self.ask("end", feed=feed, epoch=epoch, last=last) is None

    def settle(self):
        """Waits until all that closed programs reported is counted."""
        while self.ask("programs"):
            time.sleep(0.01)

    def counts(self, feed="train"):
        """Sums over epochs, by now."""
        own = [c for c in self.ask("counts") if c["Feed"] == feed]
        return {key: sum(c[key] for c in own) for key in ("Received", "Trained", "Dropped")}

    def account(self):
        """(received, trained, dropped) at the member's end."""
        self.settle()
        self.ask("stop", reason="over")
        return tuple(self.counts().values())

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def members(binary, count, **config):
    """count members with one feed, train."""
    feed = {"name": "train", "queue_bytes": 1 << 20, "batch_rows": 10, **config}
    with contextlib.ExitStack() as stack:
        started = []
        for index in range(count):
            started.append(Member(binary, index, [feed]))
            stack.callback(started[-1].close)
        yield started


def mark(started, final=False):
    """What the reservation server does: everybody learns the steps that all hold."""
    held = [one.ask("counts")[0]["StepsHeld"] for one in started]
    for one in started:
        if final:
            one.end()
        one.ask("low_water", feed="train", step=min(held), final=final)


def push(member, epoch=0, chunk_rows=100, partition=0, **columns):
    """Feeds columns as one partition of an epoch."""
    values = [v if isinstance(v, pa.Array) else pa.array(v) for v in columns.values()]
    batch = pa.RecordBatch.from_arrays(values, list(columns))
    feed = {
        "name": "train",
        "chunk_rows": chunk_rows,
        "balance": "equal",
        "repeatable": True,
    }
    described = [member.described()]
    result = feeder.feed_partition(
        feed, epoch, described, member.credentials, [batch], partition, 0
    )
    assert result.to_pylist()[0]["error"] is None
