"""On a standalone master: SIGKILL and SIGTERM anywhere, a lost feed task, too few workers.

The verdict is right and nothing of the run is left.
"""

import os
import signal
import time

import pytest
from harness import received, slow, stat, write_rows
from test_train import assert_balanced, assert_each_row_once


def one(job, cmdline):
    pids = sorted(job.processes(cmdline))
    assert pids, f"no process {cmdline!r}"
    return pids[0]


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


@pytest.mark.parametrize("read_by", ["executor", "spark"])
def test_killed_feed_task_loses_and_doubles_no_row(job, write_job, standalone, read_by):
    wide = {"x": lambda i: bytes([i % 251]) * 40_000}  # more than members hold: tasks wait
    data = write_rows(job.folder / "data", 6000, files=2, columns=wide, row_group_size=500)
    spark = f"{{master: '{standalone}'}}"
    more = f"read_by: {read_by}\nepoch_cache: 0"
    path = write_job("count.py", data, spark=spark, args="{sleep: 0.02}", epochs=2, more=more)
    job.start("train", path)
    job.wait_for(lambda: sum(map(len, received(job.folder / "model").values())) > 300, what="rows")
    tasks = feed_tasks(job, read_by)
    assert tasks, "no feed task found to kill"
    os.kill(tasks[0], signal.SIGKILL)
    result = job.wait()
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 6000, epochs=2)
    assert_balanced(result, 12000)
    job.assert_clean()


def feed_tasks(job, read_by):
    if read_by == "executor":
        return list(job.processes("tfos-node feed"))
    workers = [pid for pid, command in job.processes("pyspark").items() if "daemon" in command]
    # The daemon's forks run the tasks; they have no other mark than their parent.
    return [pid for pid in workers if int(stat(pid)[1]) in workers]


def test_too_few_slots(job, write_job, standalone):
    data = write_rows(job.folder / "data", 1000, files=2)
    spark = f"{{master: '{standalone}'}}"
    path = write_job("count.py", data, members=9, spark=spark, more="timeouts: {reservation: 24s}")
    result = job.run("train", path)
    assert result.code == 4, result.stderr
    assert "worker:" in result.verdict["cause"]
    job.assert_clean()
