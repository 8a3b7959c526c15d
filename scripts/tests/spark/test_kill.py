"""SIGKILL and Ctrl-C anywhere: the verdict is right and nothing of the run is left."""

import os
import signal
import time

import pytest
from harness import received, slow, write_rows


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


@pytest.mark.parametrize("master", [slow("local-cluster"), "standalone"])
def test_launcher_killed(running, standalone, master):
    job = running("{}" if master == "local-cluster" else f"{{master: '{standalone}'}}")
    job.process.kill()
    job.process.wait()
    job.assert_clean()
    job.err.close()


@pytest.mark.parametrize("master", [slow("local-cluster"), "standalone"])
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


@pytest.mark.parametrize("how", ["ctrl-c", "launcher killed"])
def test_while_spark_starts(job, write_job, how):
    """Before there is a member, or even a SparkContext."""
    job.start("train", write_job("count.py", write_rows(job.folder / "data", 100)))
    job.wait_for(lambda: job.processes("app.py"), what="the driver")
    if how == "ctrl-c":
        os.kill(job.process.pid, signal.SIGINT)
        assert job.wait(timeout=40).code == 130
    else:
        job.process.kill()
        job.process.wait()
        job.err.close()
    job.assert_clean()


def test_failed_run_keeps_both_exports(job, write_job):
    """export_if_exists: replace, and the program dies after it has saved: the old export is
    untouched, and the new one lies where the verdict says."""
    old = job.folder / "export"
    old.mkdir()
    (old / "saved_model.pb").write_bytes(b"old")
    data = write_rows(job.folder / "data", 1000)
    more = f"export_dir: {old}\nexport_if_exists: replace"
    result = job.run("train", write_job("fail.py", data, args="{when: after_saving}", more=more))
    assert result.code == 5, result.stderr
    assert (old / "saved_model.pb").read_bytes() == b"old"
    kept = job.folder / f"tfos-{result.verdict['run']}.export"
    assert result.verdict["kept"] == [str(kept)]
    assert (kept / "saved_model.pb").read_bytes() == b"new"
    job.assert_clean()
