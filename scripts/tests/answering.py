"""A member whose engine answers predict tasks: the real engine, behind a door in Python.

The door does what internal/node does: it reads HELLO, answers WELCOME, and hands the
connection to the engine, itself on this kernel and by copying for TLS (here: plain TCP).
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from tfos import frames

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "the run's secret"

# y = x + x and text = "<x>" of int64, in TensorFlow's text form.
GRAPH = """\
saved_model_schema_version: 1
meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def {
    versions { producer: 1882 }
    node { name: "in" op: "Placeholder"
      attr { key: "dtype" value { type: DT_INT64 } }
      attr { key: "shape" value { shape { dim { size: -1 } } } } }
    node { name: "sum" op: "AddV2" input: "in" input: "in"
      attr { key: "T" value { type: DT_INT64 } } }
    node { name: "small" op: "Cast" input: "in"
      attr { key: "SrcT" value { type: DT_INT64 } } attr { key: "DstT" value { type: DT_UINT8 } }
      attr { key: "Truncate" value { b: false } } }
  }
  signature_def { key: "serving_default" value {
    inputs { key: "x" value { name: "in:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
    outputs { key: "small" value { name: "small:0" dtype: DT_UINT8
      tensor_shape { dim { size: -1 } } } }
    outputs { key: "y" value { name: "sum:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
  } }
}
"""


class Engine:
    """bin/tfos-engine with the model above, and a door to it."""

    def __init__(self, batch_size=100, **work):
        self.folder = Path(tempfile.mkdtemp(prefix="tfos-test-"))
        (self.folder / "saved_model.pbtxt").write_text(GRAPH)
        self._member = self._listen("child.sock")
        library = ROOT / ".libtensorflow"
        self.process = subprocess.Popen(
            [ROOT / "bin" / "tfos-engine", "run"],
            env={
                **os.environ,
                "TFOS_SOCKET": str(self.folder / "child.sock"),
                "LD_LIBRARY_PATH": str(library),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self.control, _ = self._member.accept()
        request = {
            "model": str(self.folder),
            "signature": "serving_default",
            "batch_size": batch_size,
            "kind": "partitions",
            **work,
        }
        frames.read_json(self.control, frames.ATTACH)
        frames.send_json(self.control, frames.CONTEXT, {"kind": "infer", "work": request})
        self.said = []  # (type, value) of all frames but PROGRESS
        while self._hear() != (frames.PHASE, {"phase": "running"}):
            pass
        self.door = self._listen("feed.sock")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.refusal = None  # STOP's reason, in WELCOME's place
        for listener in (self.door, self.tcp):
            threading.Thread(target=self._open, args=[listener], daemon=True).start()

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.folder / name))
        listener.listen()
        return listener

    def _hear(self):
        typ, size = frames.read_header(self.control)
        value = frames.parse(frames.read_payload(self.control, size))
        if typ != frames.PROGRESS:
            self.said.append((typ, value))
        return typ, value

    def _open(self, listener):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = listener.accept()
                hello = frames.read_json(conn, frames.HELLO)
                if self.refusal:
                    refusal = {"reason": self.refusal, "failed": True}
                    frames.send_json(conn, frames.STOP, refusal)
                    conn.close()
                    continue
                assert hello.pop("token") == TOKEN
                frames.send_json(conn, frames.WELCOME, {})
                engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                engine.connect(str(self.folder / "predict.sock"))
                word = frames.encode_json(frames.HELLO, hello)
                if conn.family == socket.AF_UNIX:
                    socket.send_fds(engine, [word], [conn.fileno()])
                    conn.close()
                    engine.close()
                    continue
                engine.sendall(word)
                for source, target in ((conn, engine), (engine, conn)):
                    threading.Thread(target=_copy, args=[source, target], daemon=True).start()

    def described(self):
        """The member as the formed event has it."""
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        address = {
            "boot_id": boot_id,
            "unix": str(self.folder / "feed.sock"),
            "tcp": "{}:{}".format(*self.tcp.getsockname()),
        }
        return {"job": "worker", "index": 0, "feed": address, "executor": ""}

    def finish(self):
        """All rows are given: the engine's result."""
        end = {"feed": "predict", "epoch": 0, "last": True}
        frames.send_json(self.control, frames.EPOCH_END, end)
        while True:
            typ, value = self._hear()
            if typ == frames.RESULT:
                return value

    def failure(self):
        """What the engine says before it ends."""
        while True:
            typ, value = self._hear()
            if typ == frames.FAILED:
                return value

    def close(self):
        for one in (self.control, self._member, self.door, self.tcp):
            one.close()
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(self.folder)


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def engine(**settings):
    one = Engine(**settings)
    try:
        yield one
    finally:
        one.close()
