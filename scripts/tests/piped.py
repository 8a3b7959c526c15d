"""The feed task `tfos-node feed` in a process of its own: it gets the lines that the JVM would
pipe, or reads files."""

import base64
import contextlib
import itertools
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
from tfos import pipe

ROOT = Path(__file__).resolve().parents[2]


def build(folder):
    """Builds tfos-node; returns its path."""
    binary = Path(folder) / "tfos-node"
    command = ["go", "build", "-o", str(binary), "./cmd/tfos-node"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return binary


def read_partition(binary, *args):
    """feed_partition by a task that reads the batches itself, from files of a batch each."""
    feed, epoch, members, credentials, batches, partition, _attempt = args
    with tempfile.TemporaryDirectory() as folder:
        for number, batch in enumerate(batches):
            with pa.ipc.new_file(f"{folder}/{number:05d}.arrow", batch.schema) as file:
                file.write_batch(batch)
        wanted = {"format": "arrow", "path": folder, "options": {}, "columns": None}
        files = pipe.plan_files(binary, wanted, slots=1)
        order = {"feed": feed, "epoch": epoch, "members": members, **credentials}
        splits = list(itertools.chain(*files["partitions"]))
        order = _encoded({**order, "files": files["files"]})
        line = b"%s %d %s" % (order, partition, _encoded(splits))
        task = subprocess.run([binary, "feed"], input=line + b"\n", capture_output=True)
    return outcome(task, task.stdout, task.stderr.decode(), partition)


def _encoded(value):
    return base64.b64encode(json.dumps(value).encode())


def lines(feed, epoch, members, credentials, batches, partition):
    """What a feed task reads: as bytes, a line a batch, the order before the first."""
    start = None
    for batch in batches:
        if start is None:
            schema = base64.b64encode(batch.schema.serialize()).decode()
            order = {
                "feed": feed,
                "epoch": epoch,
                "members": members,
                "schema": schema,
                **credentials,
            }
            start = _encoded(order) + b" %d " % partition
            yield start
        yield base64.b64encode(batch.serialize()) + b"\n"


def feed_partition(binary, *args):
    """feeder.feed_partition by the task in Go. The attempt is for the member to say."""
    feed, epoch, members, credentials, batches, partition, _attempt = args
    pipe = subprocess.PIPE
    task = subprocess.Popen([binary, "feed"], stdin=pipe, stdout=pipe, stderr=pipe)
    with task:
        with contextlib.suppress(BrokenPipeError):  # it may end before its input
            for line in lines(feed, epoch, members, credentials, batches, partition):
                task.stdin.write(line)
                task.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            task.stdin.close()
        result, errors = task.stdout.read(), task.stderr.read().decode()
    return outcome(task, result, errors, partition)


def outcome(task, result, errors, partition):
    """The result row of a task that has ended, as pipe.run_rows makes it."""
    if task.returncode:
        raise ConnectionError(errors)
    result = {"partition": partition, **json.loads(result)}
    if refused := result.pop("refused", None):
        raise RuntimeError(refused)
    return result
