"""output.if_exists: resume where Spark reads and writes: what a run has committed before it ended
in whatever way is not computed again."""

import json
import os
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from harness import Job, slow

# The rows' own numbers, as Python computes them, lie beside the model.
MODEL = """\
import sys, numpy as np, tensorflow as tf
folder, rows, target = sys.argv[1:]
class Model(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(tf.random.stateless_normal([4, 3], [1, 2]))
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": tf.nn.softmax(x @ self.kernel)}
model = Model()
tf.saved_model.save(model, folder, signatures={"serving_default": model.__call__})
np.save(target, model(tf.constant(np.load(rows)))["y"].numpy())
"""
FILES, ROWS = 12, 4_000
ALL = FILES * ROWS
# Each file is a partition: it and what opening it counts for fill one. A file is larger than a
# twelfth of that count.
CONF = f"spark.sql.files.minPartitionNum: '{FILES}', spark.sql.files.openCostInBytes: '65536'"


@pytest.fixture(scope="module")
def model(tmp_path_factory, tensorflow_python):
    """(folder of the SavedModel, x of all rows and 7 more, Python TensorFlow's y)."""
    folder = tmp_path_factory.mktemp("m")
    x = np.random.default_rng(5).random((ALL + 7, 4), np.float32)
    np.save(folder / "x.npy", x)
    argv = [tensorflow_python, "-c", MODEL, folder / "model", folder / "x.npy", folder / "y.npy"]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "model", x, np.load(folder / "y.npy")


class Site:
    """A folder with data and a job that several runs do."""

    def __init__(self, folder, model):
        self.folder, (self.model, self.x, self.y) = folder, model
        self.out, self.kept = folder / "out", folder / ".out.tfos.resume"
        self.jobs = []
        (folder / "data").mkdir()

    def data(self, name, first, rows, bad=()):
        """bad: ids of rows whose x is too short."""
        ids = range(first, first + rows)
        lists = list(self.x[first : first + rows])
        for i in bad:
            lists[i - first] = lists[i - first][:3]
        columns = {
            "id": pa.array(ids, pa.int64()),
            "day": [f"d{i % 3}" for i in ids],
            "x": pa.array(lists, pa.list_(pa.float32())),
        }
        pq.write_table(pa.table(columns), self.folder / "data" / name)

    def job(self, text, output, master):
        (self.folder / "job.yaml").write_text(
            f"export_dir: {self.model}\nread_by: spark\nkeep: [id, day]\nbatch_size: 1000\n"
            f"cluster_size: 2\ninput: {{{text}}}\nspark: {{master: '{master}', conf: {{{CONF}}}}}\n"
            f"output: {{path: out, if_exists: resume, {output}}}\n"
        )

    def start(self, name, *argv):
        folder = self.folder / name
        folder.mkdir()
        self.jobs.append(Job(folder, f"again-{name}"))
        return self.jobs[-1].start("infer", self.folder / "job.yaml", *argv)

    def run(self, name, *argv):
        return self.start(name, *argv).wait()

    def kill(self, job):
        """The whole run, at once and without a word."""
        job.process.kill()
        job.kill()
        job.process.wait()
        job.err.close()
        shutil.rmtree(job.temp)  # its caretaker was killed too

    def finished(self, name):
        """The partitions that a run has finished so far: record and committed files."""
        run = self.kept / f"again-{name}"
        records = {int(path.stem.split("-")[1]) for path in run.glob("done/*.json")}
        return records & {int(path.name[-6:]) for path in run.glob("pending/0/task_*")}

    def manifest(self):
        return json.loads((self.out / "_manifest.json").read_text())

    def check(self, rows, format="parquet"):
        """Every row is there once, with Python's numbers; the manifest names every file."""
        got = ds.dataset(self.out, format=format, partitioning="hive").to_table().sort_by("id")
        assert (got["id"].to_numpy() == np.arange(rows)).all()
        assert got["day"].to_pylist() == [f"d{i % 3}" for i in range(rows)]
        y = np.array(got["y"].combine_chunks().values).reshape(rows, 3)
        np.testing.assert_allclose(y, self.y[:rows], atol=1e-5)
        files = {str(path.relative_to(self.out)) for path in self.out.rglob("part-*")}
        parts = self.manifest()["splits"]
        written = [file["output"] for part in parts for file in part.get("written", [])]
        assert sorted(written) == sorted(files)
        assert sum(part["rows"] for part in parts) == rows == self.manifest()["rows"]


@pytest.fixture
def site(tmp_path_factory, model):
    one = Site(tmp_path_factory.mktemp("r"), model)
    yield one
    for job in one.jobs:
        job.kill()


def test_killed_run_is_resumed(site, any_master):
    for i in range(FILES):
        site.data(f"part-{i:02d}.parquet", i * ROWS, ROWS)
    site.job("path: data", "partition_by: [day]", any_master(2))
    executors = "spark.master=local-cluster[2,2,1024]"
    first = site.start("first", "--set", "batch_size=1", "--set", executors)
    first.wait_for(lambda: len(site.finished("first")) >= 3, 300, "three finished partitions")
    site.kill(first)
    done = site.finished("first")
    assert 3 <= len(done) < FILES, "all was done before the kill"
    assert not site.out.exists()
    before = {p.name: p.stat().st_ino for p in site.kept.glob("*/pending/0/task_*/*/part-*")}

    second = site.run("second")
    assert second.code == 0, second.stderr
    said = f"{len(done)} parts ({len(done) * ROWS} rows) were done by earlier runs"
    assert said in second.stderr
    result = second.verdict["infer"]
    rows = {"read": len(done) * ROWS, "rows": len(done) * ROWS, "skipped": 0, "quarantined": 0}
    assert result["carried"] == {"splits": len(done), **rows}
    computed = FILES - len(done)
    assert (result["read"], result["rows"]) == (computed * ROWS, computed * ROWS)
    assert (result["partitions"], len(result["splits"])) == (computed, computed)
    by = {part["id"]: part["run"] for part in site.manifest()["splits"]}
    assert {i for i, run in by.items() if run == "again-first"} == done
    assert set(by.values()) == {"again-first", "again-second"} and len(by) == FILES
    after = {p.name: p.stat().st_ino for p in site.out.glob("day=*/part-*")}
    assert before.items() <= after.items()
    site.check(ALL)
    assert not site.kept.exists()

    third = site.run("third")
    assert (third.code, third.verdict["phase"]) == (0, "skipped"), third.stderr
    assert "nothing to do" in third.stderr
    site.check(ALL)

    site.data("a-new-one.parquet", ALL, 7)
    fourth = site.run("fourth")
    assert fourth.code == 0, fourth.stderr
    carried = fourth.verdict["infer"]["carried"]["splits"]
    # Spark puts the few rows into the partition of another file.
    assert (fourth.verdict["infer"]["rows"], carried) == (ROWS + 7, FILES - 1)
    assert "1 finished partitions of earlier runs are not used" in fourth.stderr
    site.check(ALL + 7)
    assert {part["run"] for part in site.manifest()["splits"]} == {*by.values(), "again-fourth"}

    other = site.run("other", "--set", "keep=[day, id]")
    assert other.code == 7 and "was made with something else: keep" in other.stderr
    os.remove(next(site.out.glob("day=d1/part-*")))
    broken = site.run("broken")
    assert broken.code == 7 and "is not in it as it was written" in broken.stderr
    site.jobs[-1].assert_clean()


@pytest.mark.parametrize("format", ["parquet", "orc"])  # whose committers differ
def test_failed_run_leaves_what_it_has_done(site, format, any_master):
    """A bad row fails Spark's job, which deletes what its tasks have committed, were it not for
    the link. Then the row is corrected."""
    for i in range(FILES):
        last = (i + 1) * ROWS - i - 1
        site.data(f"part-{i:02d}.parquet", i * ROWS, ROWS - i, [last] if i == FILES - 1 else [])
    query = f"SELECT id, day, x FROM parquet.`{site.folder}/data` WHERE id >= 0"
    site.job(f"sql: '{query}'", f"format: {format}", any_master(2))
    first = site.run("first")
    assert first.code == 6, first.stderr
    told = first.verdict["infer"]["kept_splits"]
    assert 0 < told < FILES
    assert f"at least {told} parts are done and are not computed again" in first.stderr
    # A task that ended after the count may have finished one more.
    kept = len(site.finished("first"))
    assert told <= kept < FILES
    i = FILES - 1
    site.data(f"part-{i:02d}.parquet", i * ROWS, ROWS - i)
    second = site.run("second")
    assert second.code == 0, second.stderr
    result = second.verdict["infer"]
    assert result["carried"]["splits"] == kept
    total = sum(ROWS - i for i in range(FILES))
    assert result["rows"] + result["carried"]["rows"] == total
    got = ds.dataset(site.out, format=format).to_table().sort_by("id")
    ids = np.concatenate([np.arange(i * ROWS, i * ROWS + ROWS - i) for i in range(FILES)])
    assert (got["id"].to_numpy() == ids).all()
    y = np.array(got["y"].combine_chunks().values).reshape(total, 3)
    np.testing.assert_allclose(y, site.y[ids], atol=1e-5)
    assert not site.kept.exists()


def test_bad_rows_of_a_killed_run(site, any_master):
    """The account and the quarantine are of both runs: of partitions with some bad rows, and of
    one of nothing else, for which Spark writes no file."""
    ids = [range(i * ROWS, i * ROWS + (ROWS if i else 300)) for i in range(FILES)]
    bad = set(ids[0]) | {one[at] for one in ids[2:] for at in (0, 77, -1)}
    every = {row for one in ids for row in one}
    for i, one in enumerate(ids):
        mine = [row for row in one if row in bad]
        site.data(f"part-{i:02d}.parquet", one[0], len(one), mine)
    site.job("path: data", "partition_by: [day]", any_master(2))
    spare = ["--set", "on_bad_row=quarantine"]
    limit = 100 * len(bad) / len(every)
    first = site.start("first", "--set", "batch_size=1", *spare)
    first.wait_for(lambda: len(site.finished("first")) >= 3, 300, "three finished partitions")
    site.kill(first)
    done = site.finished("first")
    assert len(done) < FILES - 1, "all was done before the kill"
    assert not site.out.exists()
    left = {p.name for p in site.folder.glob(".out*")}
    assert left - {".out.tfos.lock"} == {site.kept.name}

    second = site.run("second", *spare, "--set", f"max_bad={limit - 0.01:.4f}%")
    assert second.code == 6, second.stderr
    assert f"{len(bad)} of {len(every)} rows are bad" in second.verdict["cause"]
    computed = second.verdict["infer"]
    carried = computed["carried"]
    assert carried["splits"] >= len(done)
    assert carried["quarantined"] > 0 and computed["quarantined"] > 0
    account = {"read": len(every), "rows": len(every - bad), "quarantined": len(bad)}
    assert {key: computed[key] + carried[key] for key in account} == account
    assert computed["kept_splits"] == FILES
    assert not site.out.exists()
    assert [p.name for p in site.folder.glob(".out*")] == [site.kept.name]

    third = site.run("third", *spare, "--set", f"max_bad={limit + 0.01:.4f}%")
    assert third.code == 0, third.stderr
    assert third.verdict["infer"]["carried"]["splits"] == FILES
    manifest = site.manifest()
    assert {part["run"] for part in manifest["splits"]} == {"again-first", "again-second"}
    assert account.items() <= manifest.items()
    assert sum(not part.get("written") for part in manifest["splits"]) == 1
    check_bad_rows(site, every - bad, bad)
    assert not list(site.folder.glob(".out*"))

    other = site.run("other", "--set", "on_bad_row=skip")
    assert other.code == 0, other.stderr
    clean = sum("first_bad" not in part for part in manifest["splits"])
    assert clean == 1 and other.verdict["infer"]["carried"]["splits"] == clean
    assert other.verdict["infer"]["skipped"] == len(bad)
    assert not (site.out / "_quarantine").exists()
    check_bad_rows(site, every - bad, set())


def check_bad_rows(site, good, bad):
    got = ds.dataset(site.out, format="parquet", partitioning="hive").to_table().sort_by("id")
    ids = np.array(sorted(good))
    assert (got["id"].to_numpy() == ids).all()
    y = np.array(got["y"].combine_chunks().values).reshape(len(ids), 3)
    np.testing.assert_allclose(y, site.y[ids], atol=1e-5)
    if bad:
        aside = pq.read_table(site.out / "_quarantine").sort_by("id")
        assert aside["id"].to_pylist() == sorted(bad)
        assert aside["day"].to_pylist() == [f"d{row % 3}" for row in sorted(bad)]
    files = {str(p.relative_to(site.out)) for p in (site.out / "_quarantine").glob("*")}
    parts = site.manifest()["splits"]
    assert {part["quarantine"]["output"] for part in parts if "quarantine" in part} == files


@pytest.mark.parametrize(
    ("query", "why"),
    [
        slow(
            "SELECT a.id, a.day, a.x FROM {0} a JOIN {0} b ON a.id = b.id",
            "operator BroadcastHashJoin",
        ),
        ("SELECT id, day, x FROM {0} WHERE id <= (SELECT max(id) FROM {0})", "a subquery"),
    ],
)
def test_what_has_no_lasting_partitions_is_refused(site, query, why, any_master):
    site.data("part-0.parquet", 0, 10)
    query = query.format(f"parquet.`{site.folder}/data`")
    site.job(f"sql: '{query}'", "format: parquet", any_master(2))
    result = site.run("only")
    assert result.code == 2, result.stderr
    assert why in result.verdict["cause"]
    assert "write its result to files first" in result.verdict["cause"]
    assert not site.out.exists() and not site.kept.exists()
