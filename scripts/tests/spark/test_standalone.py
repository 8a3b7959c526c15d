"""scripts/standalone.sh: one cluster at a time in a folder, and nothing of it left."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

SHAPE = ["--workers", "1", "--cores", "1", "--memory", "512m"]


@pytest.fixture
def sh(tmp_path_factory, standalone_sh):
    """standalone.sh on a folder of the test's own; the cluster in it is stopped at the end."""
    folder = tmp_path_factory.mktemp("c") / "cluster"

    def call(*argv, **env):
        return standalone_sh(folder, *argv, **env)

    call.folder = folder
    yield call
    standalone_sh(folder, "stop")


def daemons(sh):
    """{name: pid} as status tells."""
    lines = sh("status").stdout.splitlines()[1:]
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def left(folder):
    """Processes that work in the folder, and the folder itself."""
    found = [str(folder)] if folder.exists() else []
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and os.fsencode(folder) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_start_twice_status_stop(sh):
    first = sh("start", *SHAPE)
    assert first.returncode == 0, first.stderr
    assert re.fullmatch(r"spark://127\.0\.0\.1:\d+\n", first.stdout)
    running = daemons(sh)
    assert sorted(running) == ["master", "worker-0"]
    assert len(left(sh.folder)) == 3  # the two and the folder: what left() finds is real

    again = sh("start", *SHAPE)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "runs already" in again.stderr
    other = sh("start", "--workers", "2")
    assert (other.returncode, other.stdout) == (1, "")
    assert "another cluster" in other.stderr
    assert daemons(sh) == running
    assert sh("url").stdout == first.stdout

    assert sh("stop").returncode == 0
    assert left(sh.folder) == []
    assert sh("status").returncode == 3
    assert sh("url").returncode == 1
    assert sh("stop").returncode == 0


def test_stop_after_the_master_was_killed(sh):
    """Its pid was used again, by a stranger: not the cluster's, and not ended by stop."""
    assert sh("start", *SHAPE).returncode == 0
    master = daemons(sh)["master"]
    os.kill(master, signal.SIGKILL)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        pids = sh.folder / "pids"
        pids.write_text(pids.read_text().replace(f"master {master} ", f"master {stranger.pid} "))
        status = sh("status")
        again = sh("start", *SHAPE)
        stopped = sh("stop")
        ended = stranger.poll()
        stranger.kill()
    assert status.returncode == 1
    assert re.search(r"master +\d+ +dead", status.stdout)
    assert re.search(r"worker-0 +\d+ +runs", status.stdout)
    assert (again.returncode, again.stdout) == (1, "")
    assert "not whole" in again.stderr
    assert stopped.returncode == 0, stopped.stderr
    assert ended is None
    assert left(sh.folder) == []


def test_a_start_that_fails_leaves_nothing(sh):
    start = sh("start", "--workers", "1", "--memory", "1x")
    assert (start.returncode, start.stdout) == (1, "")
    assert "worker-0 did not start" in start.stderr
    assert "--memory MEM" in start.stderr  # the daemon's own words
    assert left(sh.folder) == []


def test_start_interrupted_leaves_nothing(sh, standalone_sh):
    """SIGTERM when the master is there and the worker is not."""
    script = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "standalone.sh"
    with subprocess.Popen(
        [script, "start", *SHAPE, "--dir", sh.folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as start:
        while "worker-0" not in daemons(sh):
            assert start.poll() is None
        start.terminate()
        out, _ = start.communicate(timeout=60)
    assert start.returncode != 0
    assert out == b""
    assert left(sh.folder) == []


def test_a_folder_with_other_things_is_left_alone(sh):
    sh.folder.mkdir()
    (sh.folder / "mine").write_text("mine")
    start = sh("start", *SHAPE)
    assert (start.returncode, start.stdout) == (1, "")
    assert "not empty" in start.stderr
    assert sh("stop").returncode == 0
    assert (sh.folder / "mine").read_text() == "mine"


def test_no_spark(sh, tmp_path):
    start = sh("start", SPARK_HOME=str(tmp_path))
    assert (start.returncode, start.stdout) == (1, "")
    assert "SPARK_HOME" in start.stderr
    assert not sh.folder.exists()
