"""Run bin/tfos as a user would, find every process of a run, and check that none is left."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TFOS = ROOT / "bin" / "tfos"
PYTHON = ROOT / ".venv" / "bin" / "python"
PROGRAMS = pathlib.Path(__file__).parent / "programs"
JOB_SECONDS = 300  # a bound on one job, far above the slowest
CLEAN_SECONDS = 15  # what a run may take to disappear (the promise)

# What a shell starts in the background ignores SIGINT, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def stat(pid):
    """The fields of /proc/PID/stat after the command's name: the state, the parent's pid, …"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


@dataclasses.dataclass
class Result:
    code: int
    verdict: dict
    stderr: str


class Job:
    """A tfos command in a folder of its own, running or ended."""

    shared_temp = None  # temporary folder of the standalone executors, while there are some

    def __init__(self, folder, run_id):
        self.folder, self.run_id = folder, run_id
        self.temp = folder / "tmp"
        self.temp.mkdir()
        # Unpacked binaries, 100 MB, stay in a job's state folder: jobs of one process share them.
        kept = folder.parent / "binaries"
        kept.mkdir(mode=0o700, exist_ok=True)
        (folder / "state").mkdir(mode=0o700, exist_ok=True)
        (folder / "state" / "bin").symlink_to(kept)
        self.process = None

    def start(self, *argv, env=None):
        return self.start_command(*argv, "--run-id", self.run_id, env=env)

    def start_command(self, *argv, env=None):
        """Start tfos, also a command that names no run."""
        full = {
            **os.environ,
            "TMPDIR": str(self.temp),
            "TFOS_STATE_DIR": str(self.folder / "state"),
            "TFOS_PYTHON": str(PYTHON),
            "PYSPARK_PYTHON": str(PYTHON),
            **(env or {}),
        }
        self.err = open(self.folder / "stderr.txt", "w+")  # noqa: SIM115 closed in wait
        self.process = subprocess.Popen(
            [TFOS, *map(str, argv), "--output", "json"],
            cwd=self.folder,
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.err,
            text=True,
            start_new_session=True,
        )
        return self

    def wait(self, timeout=JOB_SECONDS):
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.err.seek(0)
        stderr = self.err.read()
        self.err.close()
        lines = [line for line in out.splitlines() if line.startswith("{")]
        verdict = json.loads(lines[-1]) if lines else {}
        return Result(self.process.returncode, verdict, stderr)

    def run(self, *argv, env=None, timeout=JOB_SECONDS):
        return self.start(*argv, env=env).wait(timeout)

    def kill(self):
        """The test's own emergency brake: everything that carries the run's mark."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def processes(self, cmdline=""):
        """The run's processes whose command line has cmdline: {pid: command line}."""
        mark = f"TFOS_RUN={self.run_id}".encode()
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if cmdline not in command:
                    continue
                environment = (entry / "environ").read_bytes().split(b"\0")
                state, *_ = stat(entry.name)
            except OSError:
                continue
            if mark in environment and state != "Z":
                found[int(entry.name)] = command
        return found

    def wait_for(self, condition, timeout=JOB_SECONDS, what="condition"):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            assert self.process.poll() is None, f"the job ended while waiting for {what}"
            time.sleep(0.1)
        raise AssertionError(f"no {what} after {timeout} s")

    def assert_clean(self):
        """No process, socket or temporary folder of the run is left."""
        deadline = time.monotonic() + CLEAN_SECONDS
        while time.monotonic() < deadline:
            left = self.left()
            if not left:
                return
            time.sleep(0.25)
        raise AssertionError(f"left after {CLEAN_SECONDS} s: {left}")

    def left(self):
        running = [f"{pid}: {command[:120]}" for pid, command in self.processes().items()]
        temps = [folder for folder in (self.temp, self.shared_temp) if folder]
        folders = [  # os.walk passes over what disappears meanwhile
            f"{at}/{name}"
            for folder in temps
            for at, below, files in os.walk(folder)
            for name in below + files
            if name.startswith("tfos-")
        ]
        unix = pathlib.Path("/proc/net/unix").read_text().splitlines()
        sockets = [line.split()[-1] for line in unix if any(str(temp) in line for temp in temps)]
        return running + folders[:10] + sockets + [str(path) for path in self.temp.iterdir()]


def slow(*values):
    """A case of a parametrized test that only make test-all runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def write_rows(folder, rows, files=1, columns=None, row_group_size=None):
    """Parquet with an id column 0..rows-1 and, unless given, x: list<float> of 4."""
    folder.mkdir(parents=True, exist_ok=True)
    per_file = -(-rows // files)
    for i in range(files):
        ids = list(range(i * per_file, min((i + 1) * per_file, rows)))
        data = {"id": pa.array(ids, pa.int64())}
        for name, make in (columns or {"x": lambda i: [float(i)] * 4}).items():
            data[name] = pa.array([make(i) for i in ids])
        pq.write_table(
            pa.table(data), folder / f"part-{i:05d}.parquet", row_group_size=row_group_size
        )
    return folder


def flags(flag, settings):
    """{key: value} as the arguments FLAG key=value …"""
    return [part for key, value in settings.items() for part in (flag, f"{key}={value}")]


def received(folder):
    """What the programs wrote to folder/rows-<worker>.txt: worker -> ids, in order."""
    return {
        int(path.stem.split("-")[1]): [int(line) for line in path.read_text().split()]
        for path in sorted(folder.glob("rows-*.txt"))
    }


def accuracy(model, digits):
    """Of model on the held-out digits: a SavedModel's folder, or images [n, 64] -> scores."""
    test = pq.read_table(digits / "test")
    images = np.array(test["image"].to_pylist(), np.float32)
    guess = np.asarray((model if callable(model) else saved_model(model))(images)).argmax(axis=1)
    return (guess == test["label"].to_numpy()).mean()


def saved_model(folder):
    """A SavedModel's serving_default as a function: images [n, 64] -> its one output."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]

    def call(images):
        (scores,) = signature(image=tf.constant(images)).values()
        return scores

    return call
