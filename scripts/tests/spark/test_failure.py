"""Programs that fail, input that does not fit, outputs that are absent: one cause, right code."""

import pathlib

import pytest
from harness import slow, write_rows


@pytest.fixture
def data(job):
    return write_rows(job.folder / "data", 1000, files=2)


@pytest.mark.parametrize(
    ("program", "when", "phase", "cause"),
    [
        ("fail_import.py", "", "importing", "no_such_module_of_anybody"),
        slow("fail.py", "at_once", "running", "raised at once"),
        ("fail.py", "mid_run", "running", "raised in mid-run"),
        slow("fail.py", "after_feed", "running", "raised after the feed's end"),
        slow("fail.py", "sys_exit", "running", "sys.exit(3)"),
    ],
)
def test_program_that_raises(job, write_job, data, program, when, phase, cause):
    result = job.run("train", write_job(program, data, args=f"{{when: '{when}'}}"))
    assert result.code == 5, result.stderr
    verdict = result.verdict
    assert verdict["phase"] == phase
    assert cause in verdict["cause"]
    assert verdict["member"].startswith("worker:")
    assert any(cause in line or "going down" in line for line in verdict["stderr"])
    assert pathlib.Path(verdict["log_path"]).exists()
    assert verdict["retryable"] is False
    job.assert_clean()


def test_declared_export_that_is_absent(job, write_job, data):
    export = job.folder / "export"
    path = write_job(
        "fail.py", data, members=1, args="{when: forgets_export}", more=f"export_dir: {export}"
    )
    result = job.run("train", path)
    assert result.code == 7, result.stderr
    assert "export" in result.verdict["cause"]
    assert not export.exists()
    assert [p.name for p in job.folder.iterdir() if "export" in p.name] == []
    job.assert_clean()


def test_missing_column(job, write_job, data):
    result = job.run("train", write_job("count.py", data, more="input_mapping: {nope: x}"))
    assert result.code == 6, result.stderr
    assert "nope" in result.verdict["cause"] and "id" in result.verdict["cause"]
    job.assert_clean()


def test_no_such_interpreter(job, write_job, data):
    path = write_job("count.py", data, members=1)
    path.write_text(
        path.read_text().replace("function: main_fun", "function: main_fun\n    interpreter: no-py")
    )
    result = job.run("train", path)
    assert result.code == 5, result.stderr
    assert "no-py" in result.verdict["cause"]
    job.assert_clean()


def test_too_few_slots_by_arithmetic(job, write_job, data):
    spark = "{master: 'local-cluster[1,2,1024]'}"
    result = job.run("train", write_job("count.py", data, members=3, spark=spark), timeout=10)
    assert result.code == 4, result.stderr
    assert "worker:1" in result.verdict["cause"] or "worker:2" in result.verdict["cause"]
    job.assert_clean()
