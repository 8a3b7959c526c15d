"""TensorBoard beside the chief's program: `tensorboard: true` in the job file."""

import importlib.util
import re
import subprocess
import sys
import threading

_URL = re.compile(r"TensorBoard \S+ at (http\S+)")


class TensorBoard:
    """A TensorBoard process on a folder of event files, of the program's own Python.

    say(kind, text) is called from a thread: with ("tensorboard", URL) once TensorBoard serves, or
    with ("warning", why) if it cannot. A run does not fail because of TensorBoard.
    """

    def __init__(self, folder, host, say):
        """folder: may appear later; host: the address to listen on, at a free port."""
        self._say, self._process = say, None
        if importlib.util.find_spec("tensorboard") is None:
            say("warning", f"tensorboard: not installed in {sys.executable}: pip install it there")
            return
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder]
        self._process = subprocess.Popen(
            [*command, "--host", host, "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stopping = False
        self._reader = threading.Thread(target=self._read, name="tfos-tensorboard", daemon=True)
        self._reader.start()

    def stop(self):
        """End it and wait. If it does not end at once, it is killed with the member."""
        if self._process is None:
            return
        self._stopping = True
        self._process.terminate()
        self._reader.join(timeout=5)

    def _read(self):
        last = ""
        for line in self._process.stderr:
            last = line.strip() or last
            found = _URL.search(line)
            if found:
                self._say("tensorboard", found.group(1))
        status = self._process.wait()
        if not self._stopping:
            self._say("warning", f"tensorboard: ended with status {status}: {last}")
