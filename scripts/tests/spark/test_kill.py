"""SIGKILL and Ctrl-C anywhere: the verdict is right and nothing of the run is left."""

import os
import signal
import time

import pytest
from harness import received, write_rows


@pytest.fixture
def running(job, write_job, request):
    """A job whose two workers are reading rows slowly; parameter: the master."""
    data = write_rows(job.folder / "data", 100_000, files=2)

    def start(spark="{}"):
        job.start("train", write_job("count.py", data, args="{sleep: 0.2}", spark=spark))
        job.wait_for(lambda: len(received(job.folder / "model")) == 2, what="both programs")
        job.wait_for(lambda: all(received(job.folder / "model").values()), what="rows")
        return job

    return start


def one(job, cmdline):
    pids = sorted(job.processes(cmdline))
    assert pids, f"no process {cmdline!r}"
    return pids[0]


def test_ctrl_c(running):
    job = running()
    os.kill(job.process.pid, signal.SIGINT)
    result = job.wait(timeout=40)
    assert result.code == 130, result.stderr
    job.assert_clean()


def test_sigterm(running, standalone):
    job = running(f"{{master: '{standalone}'}}")
    os.kill(job.process.pid, signal.SIGTERM)
    result = job.wait(timeout=40)
    assert result.code == 143, result.stderr
    job.assert_clean()


@pytest.mark.parametrize("master", ["local-cluster", "standalone"])
def test_launcher_killed(running, standalone, master):
    job = running("{}" if master == "local-cluster" else f"{{master: '{standalone}'}}")
    job.process.kill()
    job.process.wait()
    job.assert_clean()
    job.err.close()


@pytest.mark.parametrize("master", ["local-cluster", "standalone"])
def test_driver_jvm_killed(running, standalone, master):
    job = running("{}" if master == "local-cluster" else f"{{master: '{standalone}'}}")
    os.kill(one(job, "org.apache.spark.deploy.SparkSubmit"), signal.SIGKILL)
    result = job.wait(timeout=40)
    assert result.code == 5, result.stderr
    assert "driver" in result.verdict["cause"]
    job.assert_clean()


@pytest.mark.parametrize(
    ("victim", "cause"),
    [
        ("CoarseGrainedExecutorBackend", "executor"),
        ("tfos-node run", "worker"),
        ("tfos.program", "signal 9"),
    ],
    ids=["executor", "node", "child"],
)
def test_part_of_a_member_killed(running, standalone, victim, cause):
    job = running(f"{{master: '{standalone}'}}")
    start = time.monotonic()
    os.kill(one(job, victim), signal.SIGKILL)
    result = job.wait(timeout=60)
    assert time.monotonic() - start < 40
    assert result.code == 5, result.stderr
    assert cause in result.verdict["cause"], result.verdict
    assert result.verdict["member"].startswith("worker:")
    assert result.verdict["retryable"] is (victim != "tfos.program")
    job.assert_clean()
