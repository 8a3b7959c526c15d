"""Epochs after the first: from the members' caches, or from Spark again; and how fast."""

import pytest
from harness import PYTHON, flags, received, slow

ROWS, EPOCHS = 2000, 3
# Each time that Spark runs it, its rows come in another order.
QUERY = f"SELECT id FROM range(0, {ROWS}, 1, 4) ORDER BY rand()"


@pytest.mark.parametrize("room", ["10g", slow("0"), "1k"])
def test_later_epochs(job, write_job, room):
    path = write_job("count.py", "unused", epochs=EPOCHS)
    settings = {"input": f"{{sql: '{QUERY}'}}", "epoch_cache": room}
    result = job.run("train", path, *flags("--set", settings))
    assert result.code == 0, result.stderr
    ids = received(job.folder / "model")
    rows = {f"worker:{worker}": own for worker, own in ids.items()}
    account = result.verdict["feeds"]
    assert len(account) == 2 * EPOCHS
    for own in account:  # epoch by epoch, in order
        count = own["trained"]
        own["ids"], rows[own["member"]] = rows[own["member"]][:count], rows[own["member"]][count:]
    for epoch in range(EPOCHS):
        together = [i for own in account if own["epoch"] == epoch for i in own["ids"]]
        assert sorted(together) == list(range(ROWS))
    first, *later = [own["ids"] for own in account if own["member"] == "worker:0"]
    assert all((ids == first) == (room == "10g") for ids in later)
    assert result.verdict["rows"] == {
        "read": ROWS * EPOCHS,
        "trained": ROWS * EPOCHS,
        "dropped": 0,
        "quarantined": 0,
    }
    assert_pace(result.verdict)
    job.assert_clean()


def assert_pace(verdict):
    """The ledger fits the run: all rows but those of the first batches, within its time."""
    pace = verdict["throughput"]
    assert len(pace["members"]) == 2
    measured = sum(member["rows"] for member in pace["members"])
    assert measured == ROWS * EPOCHS - 2 * 32
    assert 0 < pace["seconds"] <= verdict["seconds"]["run"]
    assert pace["rows_per_s"] == pytest.approx(measured / pace["seconds"])
    assert 0 < pace["step_p50_ms"] <= pace["step_p99_ms"]
    assert 0 <= pace["feed_wait_percent"] <= 100


def test_a_job_is_measured_and_keeps_nothing(job, write_job):
    """tfos bench ends a job that would go on, publishes nothing, and says what it saw."""
    path = write_job("count.py", "unused", epochs=1000, args="{sleep: 0.005}")
    settings = {"input": f"{{sql: '{QUERY}'}}"}
    result = job.run("bench", path, "--seconds", "4", *flags("--set", settings))
    assert result.code == 0, result.stderr
    assert not (job.folder / "model").exists()
    assert not list(job.folder.glob(".model*"))
    assert 2 <= result.verdict["throughput"]["seconds"] <= 6
    assert 0 < result.verdict["rows"]["trained"] < 1000 * ROWS
    assert "  advice   " in result.stderr
    job.assert_clean()


def test_executors_without_pyarrow_are_fed_by_pipe(job, write_job):
    """feeder: auto finds out, says so, and feeds the rows once; arrow does not give way."""
    spark = (
        f"{{conf: {{spark.pyspark.driver.python: '{PYTHON}', "
        "spark.pyspark.python: /nonexistent/python}}"
    )
    settings = {"input": f"{{sql: '{QUERY}'}}", "app.python.interpreter": PYTHON}
    path = write_job("count.py", "unused", spark=spark)
    result = job.run("train", path, *flags("--set", settings))
    assert result.code == 0, result.stderr
    assert "warning: feeder: pipe, because arrow cannot run here: " in result.stderr
    assert sorted(i for ids in received(job.folder / "model").values() for i in ids) == list(
        range(ROWS)
    )
    job.assert_clean()
