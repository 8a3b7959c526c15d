"""The feed tasks of tfos-node in processes of their own; this side is Spark.

Rows come over a connection, as the JVM sends them to its Python workers (PythonRunner.scala), or
from files.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
from tfos import pipe

BINARY = Path(__file__).resolve().parents[2] / "bin" / "tfos-node"
SECRET = "between Spark and its workers"
SECONDS = 60
END_OF_DATA, EXCEPTION, END_OF_STREAM, START_OF_INIT = -1, -2, -4, -8


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
    if task.returncode:
        raise ConnectionError(task.stderr.decode())
    return outcome(task.stdout, partition)


def _encoded(value):
    return base64.b64encode(json.dumps(value).encode())


def feed_partition(binary, *args):
    """feeder.feed_partition by the task in Go. The attempt is for the member to say."""
    with Worker(binary) as worker:
        worker.send(*args[:6])
        return worker.result(args[5])


def outcome(result, partition):
    """The result row of a task that has ended, as pipe.run_rows makes it."""
    result = json.loads(result)
    assert result["partition"] == partition
    if refused := result.pop("refused", None):
        raise RuntimeError(refused)
    return result


class Connection:
    """Spark's end of the connection to a worker."""

    def __init__(self, sock):
        self._sock = sock
        sock.settimeout(SECONDS)
        self._file = sock.makefile("rwb")

    def close(self):
        self._file.close()
        self._sock.close()

    def ask(self):
        """A worker that was connected to: its process id, and whether it takes the secret."""
        pid = self._number()
        self._write(_text(SECRET.encode()))
        return pid, self._bytes()

    def process(self):
        """The process id of a worker that asks for no secret."""
        return self._number()

    def answer(self):
        """A worker that has connected itself: its process id."""
        assert self._bytes() == SECRET.encode()
        self._write(_text(b"ok"))
        return self._number()

    def send(self, feed, epoch, members, credentials, batches, partition):
        """A partition's batches, as long as the task has not answered."""
        order = {"feed": feed, "epoch": epoch, "members": members, **credentials}
        begun = False
        try:
            for batch in batches:
                if not begun:
                    begun = True
                    self._begin(order, partition, batch.schema)
                if select.select([self._sock], [], [], 0)[0]:
                    return
                self._write(_text(batch.serialize()))
            if not begun:
                self._begin(order, partition, pa.schema([("id", pa.int64())]))
            self._write(_number(END_OF_DATA) + _number(END_OF_STREAM))
        except ConnectionError:
            pass  # it may end before its input

    def _begin(self, order, partition, schema):
        """What PySpark 3.5 sends before the data, or 4.3, for an uneven partition."""
        schema = base64.b64encode(schema.serialize()).decode()
        command = pipe.marked({**order, "schema": schema})
        texts = [b"2.7", b"", b"spark.job.description", "naïve \xff".encode(), b"/files"]
        header = [_number(partition), *map(_text, texts), b"\xff\xfftfos-\xff" + _number(-1)]
        header = b"".join(header) + _text(command)
        self._write(_number(START_OF_INIT) + _text(header) if partition % 2 else header)

    def cut(self):
        """End the data too early, as an executor that dies does."""
        self._sock.shutdown(socket.SHUT_WR)

    def raw(self, data):
        self._write(data)

    def result(self, partition):
        """The task's result row."""
        try:
            size = self._number()
            text = self._bytes() if size == EXCEPTION else self._file.read(size)
            if size == EXCEPTION:
                raise ConnectionError(text.decode())
            rest = [self._number() for _ in range(3)]
        except struct.error as err:
            raise ConnectionError("the worker has gone") from err
        assert rest == [END_OF_DATA, 0, END_OF_DATA]
        return outcome(text, partition)

    def _write(self, data):
        self._file.write(data)
        self._file.flush()

    def _number(self):
        return struct.unpack(">i", self._file.read(4))[0]

    def _bytes(self):
        return self._file.read(self._number())


def _number(value):
    return struct.pack(">i", value)


def _text(data):
    data = bytes(data)
    return _number(len(data)) + data


def connect_unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return sock


class Worker(Connection):
    """A tfos-node that was started for one task."""

    def __init__(self, binary):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            environment = {
                **os.environ,
                "PYTHON_WORKER_FACTORY_PORT": str(listener.getsockname()[1]),
                "PYTHON_WORKER_FACTORY_SECRET": SECRET,
            }
            self.process = subprocess.Popen(
                [binary, "-m", "pyspark.worker"], env=environment, stderr=subprocess.PIPE
            )
            listener.settimeout(SECONDS)
            super().__init__(listener.accept()[0])
        assert self.answer() == self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.close()
        self.errors = self.process.communicate(timeout=SECONDS)[1].decode()


class Daemon:
    """A tfos-node that takes tasks until its standard input ends."""

    def __init__(self, binary, **environment):
        environment = {"PYTHON_WORKER_FACTORY_SECRET": SECRET, **environment}
        self.process = subprocess.Popen(
            [binary, "-m", "pyspark.daemon", "pyspark.worker"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.address = struct.unpack(">i", self.process.stdout.read(4))[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(SECONDS) == 0
        self.process.stdout.close()

    def connect(self):
        return Connection(socket.create_connection(("127.0.0.1", self.address)))
