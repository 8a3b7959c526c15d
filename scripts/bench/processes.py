"""Child processes with a bound on their time, and what they say when they fail."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import environments
from case import DidNotRun

PEERS = pathlib.Path(__file__).parent / "peers"
SECONDS = 600  # of one process
RESULT = "result.json"

_ERROR = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*")


def run(argv, log, *, env=None, cpus=0, seconds=SECONDS, cwd=None):
    """Run argv in a process group of its own, all its output in the file log.

    cpus: how many CPUs it may use; 0: all. DidNotRun: it failed, or lasted more than seconds.
    Nothing of the group is left.
    """
    with open(log, "w") as out:
        child = start(argv, out, environ={**os.environ, **(env or {})}, cpus=cpus, cwd=cwd)
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DidNotRun(f"not ended after {seconds} s; see {shown(log)}") from None
        finally:
            end_group(child)
    if code != 0:
        raise failed(code, log)


def start(argv, out, *, environ, cpus=0, cwd=None):
    """A process of argv in a process group of its own, its output in the open file out."""

    def pin():
        if cpus:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])

    return subprocess.Popen(
        [str(part) for part in argv],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=pin,
    )


def failed(code, log):
    """Why a process with this exit status did not run, by its output."""
    said = error_line(log.read_text(errors="replace"))
    return DidNotRun(f"{said} (exit {code}; see {shown(log)})")


def end_group(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def error_line(text):
    """The line of a process's output that says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["it said nothing"])[-1][:300]


def shown(path):
    """A path for people: from the repository, where it is in it."""
    root = environments.ROOT
    return path.relative_to(root) if path.is_relative_to(root) else path


def peer(environment, script, folder, *, env=None, cpus=0, within=(), **config):
    """Run peers/script with the Python of an environment; what it wrote as its result.

    within: a command that runs the script's.

    A peer is called with the path of a JSON file: config, and `result`, the file it has to
    write: {"cold": x, "warm": [...], "versions": {...}} or whatever its case wants.
    """
    python = environments.python(environment)
    env = {"PYSPARK_PYTHON": str(python), "TF_CPP_MIN_LOG_LEVEL": "2", **(env or {})}
    argv = [*within, *peer_argv(environment, script, folder, **config)]
    run(argv, folder / "log.txt", env=env, cpus=cpus, cwd=folder)
    return peer_result(folder)


def peer_argv(environment, script, folder, **config):
    """The command of a peer, whose JSON file is written below folder."""
    file = folder / "config.json"
    file.write_text(json.dumps({**config, "result": str(folder / RESULT)}))
    return [environments.python(environment), PEERS / script, file]


def peer_result(folder):
    """What the peer of a folder wrote."""
    return json.loads((folder / RESULT).read_text())
