"""What the processes of a run use, as the kernel counts it in /proc."""

import contextlib
import os
import pathlib
import threading

SECONDS = 0.25  # between two looks

# Part of the command line -> what the process is called here.
KINDS = {
    "tfos-node run": "/tfos-node run",
    "tfos-node feed": "/tfos-node feed",
    "program": "-m tfos.program",
    "tfos-engine": "/tfos-engine run",
    "feed task": "pyspark.daemon",
    "executor JVM": "CoarseGrainedExecutorBackend",
    "driver JVM": "org.apache.spark.deploy.SparkSubmit",
    "driver Python": "/app.py ",
    "tfos-node reserve": "/tfos-node reserve",
}


TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watching(folder):
    """A Watch of a folder's processes that looks until the block ends."""
    seen, ended = Watch(folder), threading.Event()
    thread = threading.Thread(target=seen.until, args=(ended,))
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


class Watch:
    """Looks at all processes that have a folder's path in their environment."""

    def __init__(self, folder):
        self._mark = str(folder).encode()
        self._kinds = {}  # pid -> kind
        self._peaks = {}  # pid -> MiB
        self._sizes = {}  # pid -> [MiB], look by look
        self._cpu = {}  # pid -> seconds, user and system
        self._bytes = {}  # pid -> read and written so far, while all executors live
        self._reaped = False

    def until(self, ended):
        """Looks again and again until the threading.Event `ended`."""
        while not ended.wait(SECONDS):
            self.look()

    def look(self):
        """Looks at all processes once."""
        now = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                self._look(entry, now)
        # The kernel adds a child's bytes to its parent's once the child has ended, and
        # executors are children of the driver.
        executors = self._of("executor JVM")
        self._reaped |= not all(pathlib.Path(f"/proc/{pid}").exists() for pid in executors)
        if not self._reaped:
            self._bytes.update(now)

    def _look(self, entry, now):
        try:
            pid = int(entry.name)
            if pid not in self._kinds:
                self._kinds[pid] = self._kind(entry)
            if self._kinds[pid] is None:
                return
            status = _fields(entry / "status")
            self._peaks[pid] = int(status["VmHWM"].split()[0]) / 1024
            self._sizes.setdefault(pid, []).append(int(status["VmRSS"].split()[0]) / 1024)
            self._cpu[pid] = cpu_seconds(entry)
            io = _fields(entry / "io")
            now[pid] = int(io["rchar"]) + int(io["wchar"])
        except (OSError, KeyError):
            return  # it has ended

    def _kind(self, entry):
        if self._mark not in (entry / "environ").read_bytes():
            return None
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return next((kind for kind, part in KINDS.items() if part in command), None)

    def _of(self, kind):
        return [pid for pid, its in self._kinds.items() if its == kind and pid in self._peaks]

    def peak(self, kind):
        """MiB of the largest process of a kind; 0: there was none."""
        return max((self._peaks[pid] for pid in self._of(kind)), default=0)

    def cpu(self, kind):
        """Seconds of CPU of all processes of a kind, each as of the last look at it."""
        return sum(self._cpu[pid] for pid in self._of(kind))

    def growth(self, kind):
        """MiB by which the processes of a kind grew after the first quarter of their looks."""
        sizes = (self._sizes[pid] for pid in self._of(kind))
        return sum(own[-2] - own[len(own) // 4] for own in sizes if len(own) > 4)

    def bytes(self, kinds):
        """Bytes that the processes of some kinds read and wrote, files and sockets, until the
        first executor ended."""
        return sum(self._bytes.get(pid, 0) for kind in kinds for pid in self._of(kind))


def cpu_seconds(entry):
    """The CPU seconds of a process so far, user and system. entry: its folder in /proc."""
    stat = (entry / "stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def _fields(path):
    return dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
