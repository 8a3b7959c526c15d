"""The record of a run whose driver is in the cluster: `tfos-node record` as a child process.

docs/protocols.md section 7 is the contract. On the launcher's machine the launcher writes it.
"""

import contextlib
import json
import subprocess
import threading

# To write the verdict: a store that does not answer is an error after a minute.
CLOSE_SECONDS = 90


class Refused(Exception):
    """The record cannot be written, or another driver of the run writes it."""


class Recorder:
    """Keeps the record in a folder. storage: settings of storage.py. Raises Refused."""

    def __init__(self, binary, folder, storage):
        self._stop = None
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [binary, "record"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._write({"dir": folder, "storage": storage})
        if not self._process.stdout.readline():
            raise Refused(f"tfos-node record ended with {self._process.wait()}; see its message")
        threading.Thread(target=self._read, name="tfos-record", daemon=True).start()

    def on_stop(self, stop):
        """stop(reason) is called when a launcher asks for the run's end, even if it has already."""
        self._stop = stop
        if self._asked is not None:
            stop(self._asked)

    _asked = None

    def emit(self, event):
        """Write an event. The verdict is the last one, and is waited for."""
        self._write(event)
        if event["event"] == "verdict":
            with self._lock, contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _write(self, message):
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _read(self):
        for line in self._process.stdout:
            message = json.loads(line)
            if message["event"] == "stop":
                self._asked = message["reason"]
                if self._stop:
                    self._stop(self._asked)
