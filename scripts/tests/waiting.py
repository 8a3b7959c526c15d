"""Waiting for what must happen, within a limit that a busy machine keeps."""

import threading
import time

SECONDS = 60


def wait_until(condition, seconds=SECONDS):
    """Waits until condition() holds, which it must."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


class Call:
    """A call in a thread of its own."""

    def __init__(self, function, *args, **kwargs):
        self._results = []

        def call():
            self._results.append(function(*args, **kwargs))

        self._thread = threading.Thread(target=call, daemon=True)
        self._thread.start()

    def result(self):
        """What the function returned; it must end."""
        self._thread.join(SECONDS)
        assert self._results, "it has not returned"
        return self._results[0]
