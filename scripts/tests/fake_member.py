"""A member in this process: it says what a test has it say, and keeps what programs tell it."""

import socket
import threading

import pyarrow as pa
from tfos import frames
from waiting import SECONDS


class FakeMember:
    """A member's socket: it answers ATTACH with a context."""

    def __init__(self, folder, **context):
        self.path = str(folder / "child.sock")
        self.told, self.threads = [], []
        self._context = {
            "job_name": "worker",
            "task_index": 0,
            "worker_num": 0,
            "cluster": {"worker": ["localhost:1"]},
            "feeds": [],
            **context,
        }
        self._changed = threading.Condition()
        self._programs = []
        self._schema = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def of(self, typ):
        """The messages of one type of frame that programs have sent."""
        return [message for kind, message in self.told if kind == typ]

    def await_told(self, typ, count=1):
        """Waits for so many frames of a type, and returns their messages."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(typ)) >= count, SECONDS), self.told
        return self.of(typ)

    def send(self, typ, **message):
        """Sends a frame to the program that attached last."""
        frames.send_json(self._programs[-1], typ, message)

    def give(self, first, **columns):
        """Sends rows of partition 0, from its row first on, as one chunk of epoch 0."""
        batch = pa.record_batch(columns)
        if self._schema is None:
            self._schema = batch.schema
            self._write(frames.SCHEMA, batch.schema.serialize())
        head = frames.BATCH_HEADER.pack(0, batch.num_rows, 0, first)
        self._write(frames.BATCH, head, batch.serialize())

    def close(self):
        for thread in self.threads:  # they end with the program's connections
            thread.join(SECONDS)
        self._server.close()

    def _write(self, typ, *parts):
        self._programs[-1].sendall(b"".join(bytes(part) for part in frames.encode(typ, *parts)))

    def _accept(self):
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self.threads.append(thread)  # first: close() may come before start() has returned
            thread.start()

    def _serve(self, sock):
        frames.read_json(sock, frames.ATTACH)
        self._programs.append(sock)
        frames.send_json(sock, frames.CONTEXT, self._context)
        while header := frames.read_header(sock):
            message = frames.parse(frames.read_payload(sock, header[1]))
            with self._changed:
                self.told.append((header[0], message))
                self._changed.notify_all()
