"""Runs that are interrupted or fail: the verdict is right and nothing of the run is left."""

import os
import signal

import pytest
from harness import write_rows


def test_ctrl_c(running):
    job = running()
    os.kill(job.process.pid, signal.SIGINT)
    result = job.wait(timeout=40)
    assert result.code == 130, result.stderr
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
