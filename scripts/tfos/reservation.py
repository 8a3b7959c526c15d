"""The driver's Go half: `tfos-node reserve` as a child process, spoken to in JSON lines.

docs/protocols.md section 3 is the contract. Its events arrive in the driver's one queue.
"""

import contextlib
import json
import subprocess
import threading


class Reservation:
    """A running reservation server.

    storage: of storage.py, or None.
    events: a queue; every event is put there as ("reservation", dict), and
    ("reservation", None) when the process has ended.
    """

    def __init__(self, binary, config, host, events, storage):
        self._events = events
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [binary, "reserve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._read, name="tfos-reservation", daemon=True)
        self._write({"config": config, "host": host, "storage": storage})
        self._reader.start()

    def send(self, cmd, **fields):
        """Send one command. If the process is gone, nothing is sent: its end is an event."""
        self._write({"cmd": cmd, **fields})

    def close(self, timeout):
        """Close its input, which lets it end, and wait at most timeout seconds."""
        with self._lock, contextlib.suppress(BrokenPipeError):  # it may have ended first
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, message):
        with self._lock:
            if self._process.stdin.closed:
                return
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()

    def _read(self):
        for line in self._process.stdout:
            self._events.put(("reservation", json.loads(line)))
        self._events.put(("reservation", None))
