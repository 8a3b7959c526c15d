"""Spark-fed training on every kind of master that runs here: every row arrives once, evenly."""

import contextlib
import subprocess

import pyarrow.parquet as pq
import pytest
from harness import received, slow, write_rows

LIGHT = "-XX:TieredStopAtLevel=1 "


def assert_each_row_once(job, rows, epochs=1):
    ids = sorted(i for got in received(job.folder / "model").values() for i in got)
    assert ids == sorted(list(range(rows)) * epochs)


def assert_balanced(result, rows):
    account = result.verdict["rows"]
    assert account["read"] == rows
    assert account["read"] == account["trained"] + account["dropped"] + account["quarantined"]


def executors_of(job, count):
    """The command lines of the executors' JVMs once there are so many, else None."""
    found = list(job.processes("CoarseGrainedExecutorBackend").values())
    return found if len(found) == count else None


def assert_even(job, within):
    counts = [len(ids) for ids in received(job.folder / "model").values()]
    assert len(counts) == 2
    assert max(counts) - min(counts) <= within, counts


def test_local_cluster_is_the_default(job, write_job):
    """Its JVMs compile little: no rows pass through them."""
    data = write_rows(job.folder / "data", 2000, files=4)
    job.start("train", write_job("count.py", data, epochs=2, spark="{}"))
    executors = job.wait_for(lambda: executors_of(job, 2), what="both executors")
    drivers = list(job.processes("deploy.SparkSubmit").values())
    assert len(drivers) == 1 and all(LIGHT in command for command in executors + drivers)
    result = job.wait()
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 2000, epochs=2)
    assert_balanced(result, 4000)
    assert result.verdict["rows"]["dropped"] == 0
    job.assert_clean()


@pytest.mark.parametrize("feed", ["next_batch", slow("data_feed")])
def test_one_partition_reaches_both_workers_evenly(job, write_job, feed):
    data = write_rows(job.folder / "data", 1437)
    result = job.run("train", write_job("count.py", data, args=f"{{feed: {feed}}}"))
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 1437)
    assert_even(job, within=4 * 32)
    assert_balanced(result, 1437)
    job.assert_clean()


@pytest.mark.parametrize("partitions", [200, slow(1000)])
def test_many_partitions_reach_both_workers_evenly(job, write_job, any_master, partitions):
    data = write_rows(job.folder / "data", 5000, files=partitions)
    spark = (
        f"{{master: '{any_master(2)}', conf: {{spark.sql.files.maxPartitionBytes: 8192, "
        "spark.sql.files.openCostInBytes: 8192}}"
    )
    result = job.run("train", write_job("count.py", data, spark=spark))
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 5000)
    assert_even(job, within=4 * 32)
    job.assert_clean()


def test_giant_partition_in_bounded_memory(job, write_job, any_master):
    """400 MB through two members that read slowly: each node holds its queue and little more."""
    wide = {"x": lambda i: bytes([i % 251]) * 20_000}
    data = write_rows(job.folder / "data", 20_000, columns=wide, row_group_size=500)
    spark = f"{{master: '{any_master(2)}', conf: {{spark.sql.files.maxPartitionBytes: 4g}}}}"
    job.start("train", write_job("count.py", data, spark=spark, args="{sleep: 0.02}"))
    peak = 0
    while job.process.poll() is None:
        for pid in job.processes("tfos-node run"):
            peak = max(peak, rss(pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            job.process.wait(0.2)
    result = job.wait()
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 20_000)
    assert_even(job, within=4 * 32)
    assert 0 < peak < 256 << 20, peak
    job.assert_clean()


def rss(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def test_early_stop_skips_the_rest(job, write_job, any_master):
    # Twice what both members' queues hold.
    data = write_rows(job.folder / "data", 50_000, files=500, columns={"x": lambda i: bytes(5000)})
    spark = (
        f"{{master: '{any_master(2)}', conf: {{spark.sql.files.maxPartitionBytes: 8192, "
        "spark.sql.files.openCostInBytes: 8192}}"
    )
    result = job.run(
        "train", write_job("count.py", data, spark=spark, args="{stop_after: 200}", epochs=100)
    )
    assert result.code == 0, result.stderr
    account = result.verdict["rows"]
    assert 400 <= account["trained"] < 1000
    assert account["read"] == account["trained"] + account["dropped"]
    assert account["read"] < 50_000
    job.assert_clean()


def test_steps_end_the_feed(job, write_job):
    data = write_rows(job.folder / "data", 2000, files=2)
    result = job.run("train", write_job("count.py", data, epochs=50, more="steps: 21"))
    assert result.code == 0, result.stderr
    assert result.verdict["rows"]["trained"] == 21 * 32
    counts = sorted(len(ids) for ids in received(job.folder / "model").values())
    assert counts == [10 * 32, 11 * 32]


@pytest.mark.slow
def test_shuffle_is_a_permutation(job, write_job):
    data = write_rows(job.folder / "data", 2000, files=2)
    more = "shuffle: {buffer: 500, seed: 7}"
    result = job.run("train", write_job("count.py", data, members=1, more=more))
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 2000)
    ids = received(job.folder / "model")[0]
    assert ids != sorted(ids)


def test_csv_and_sql_and_types(job, write_job):
    folder = job.folder / "csv"
    folder.mkdir()
    (folder / "a.csv").write_text("id,x\n" + "".join(f"{i},{i / 2}\n" for i in range(500)))
    job_file = write_job("count.py", folder, members=1)
    text = job_file.read_text().replace(
        "format: parquet", "format: csv, options: {header: true, inferSchema: true}"
    )
    job_file.write_text(text)
    result = job.run("train", job_file)
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 500)


@pytest.mark.slow
def test_sql_and_a_shuffled_query(job, write_job):
    data = write_rows(job.folder / "data", 600, files=2)
    path = write_job("count.py", data, members=1)
    query = f"SELECT DISTINCT id FROM parquet.`{data}` WHERE id < 500"
    text = path.read_text().replace(f"{{path: {data}, format: parquet}}", f'{{sql: "{query}"}}')
    path.write_text(text)
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    assert_each_row_once(job, 500)


def test_results_of_every_worker_are_published(job, write_job):
    data = write_rows(job.folder / "data", 1000, files=2)
    path = write_job("results.py", data, more=f"output: {{path: {job.folder}/results}}")
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    got = pq.read_table(job.folder / "results")
    assert sorted(got["id"].to_pylist()) == list(range(1000))
    assert (job.folder / "results" / "_SUCCESS").exists()
    assert result.verdict["artifacts"] == [{"kind": "results", "path": str(job.folder / "results")}]
    job.assert_clean()


def test_argv_py_files_and_odd_paths(job, write_job):
    """args as a list, a helper module behind a link, a data folder with a space and an umlaut."""
    data = write_rows(job.folder / "trä in", 100)
    (job.folder / "lib_v2.py").write_text("GREETING = 'hello'\n")
    (job.folder / "lib.py").symlink_to("lib_v2.py")
    path = write_job("argv.py", f'"{data}"', members=1, args="[--rate, 0.5]")
    path.write_text(
        path.read_text().replace("function: main_fun", "function: main_fun\n    py_files: [lib.py]")
    )
    result = job.run("train", path, env={"LC_ALL": "C"})
    assert result.code == 0, result.stderr
    assert (job.folder / "model" / "seen.txt").read_text() == "--rate 0.5 hello 32"


def test_more_workers_than_rows(job, write_job):
    """A worker that gets no row has an empty dataset with the right columns."""
    data = write_rows(job.folder / "data", 1)
    result = job.run("train", write_job("dataset.py", data))
    assert result.code == 0, result.stderr
    seen = sorted((job.folder / "model" / f"seen-{i}.txt").read_text() for i in range(2))
    assert seen == ["0 id x", "1 id x"]


def test_input_without_rows(job, write_job):
    data = write_rows(job.folder / "data", 0)
    result = job.run("train", write_job("count.py", data))
    assert result.code == 6, result.stderr
    assert "no row" in result.verdict["cause"]
    job.assert_clean()
