"""Members for tests: the Go receiver in processes of their own.

The test binary of internal/feed acts as a member when TFOS_FEED_MEMBER is set
(internal/feed/main_test.go).
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "the run's secret"


def build(folder):
    """Builds the member; returns its path."""
    binary = Path(folder) / "member"
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
            "fed": True,
            "feed": address,
        }

    def ask(self, cmd, **fields):
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

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=20)
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
