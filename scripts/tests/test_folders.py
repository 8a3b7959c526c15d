"""`tfos infer --local` over folders of columns and patterns: real TensorFlow, no Spark."""

import json
import shutil
import subprocess

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from converter import Converter

MODEL = """\
import sys, tensorflow as tf
TENSORS = ((tf.int32, "day"), (tf.float32, "x"))
class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], t, n) for t, n in TENSORS])
    def add(self, day, x):
        return {"y": tf.cast(day, tf.float32) * 1000 + x}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures=model.add)
"""
DAYS, ROWS = (1, 2, 3), 40


@pytest.fixture(scope="module")
def model(tmp_path_factory, tensorflow_python):
    folder = tmp_path_factory.mktemp("m") / "model"
    subprocess.run([tensorflow_python, "-c", MODEL, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def convert():
    return Converter()


def write_day(job, convert, day, kind="parquet", where="data"):
    folder = job.folder / where / f"day={day}"
    folder.mkdir(parents=True)
    x = pa.array([float(i) for i in range(ROWS)], pa.float32())
    table = pa.table({"id": pa.array(range(ROWS), pa.int64()), "x": x})
    if kind == "parquet":
        pq.write_table(table, folder / "a.parquet", row_group_size=10)
        return
    source = job.folder / f"plain-{day}.parquet"
    pq.write_table(table, source)
    convert(kind, source, job.folder / f"made-{day}")
    (made,) = (job.folder / f"made-{day}").glob("part-*")
    shutil.move(made, folder / made.name.replace("part", "a"))


def infer(job, model, source, *more):
    argv = ["infer", "--export-dir", model, "--input", source, "--output", job.folder / "out"]
    return job.run(*argv, "--keep", "id,day", "--local", *more)


def rows(job):
    found = []
    for path in sorted((job.folder / "out").glob("part-*.parquet")):
        found += pq.read_table(path).to_pylist()
    return sorted((row["day"], row["id"], row["y"]) for row in found)


def wanted(days):
    return [(day, i, day * 1000.0 + i) for day in days for i in range(ROWS)]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "json", "tfrecord"])
def test_a_column_of_folders_is_kept_and_feeds_a_tensor(model, convert, job, kind):
    for day in DAYS:
        write_day(job, convert, day, kind)
    result = infer(job, model, job.folder / "data", "--set", f"input.format={kind}")
    assert result.code == 0, result.stderr
    assert rows(job) == wanted(DAYS)
    job.assert_clean()


def test_patterns_and_hidden_names(model, convert, job):
    for day in DAYS:
        write_day(job, convert, day, where="data/a")
    for hidden in ("data/a/_quarantine", "data/.ipynb_checkpoints", "data/a/_old"):
        write_day(job, convert, 7, where=hidden)
    result = infer(job, model, f"{job.folder}/data/*")
    assert result.code == 0, result.stderr
    assert rows(job) == wanted(DAYS)


def test_resume_computes_new_folders_only(model, convert, job):
    write_day(job, convert, 1)
    resume = ("--set", "output.if_exists=resume")
    assert infer(job, model, job.folder / "data", *resume).code == 0
    job.run_id += "-2"
    write_day(job, convert, 2)
    result = infer(job, model, job.folder / "data", *resume)
    assert result.code == 0, result.stderr
    assert rows(job) == wanted((1, 2))
    manifest = json.loads((job.folder / "out" / "_manifest.json").read_text())
    assert len({split["run"] for split in manifest["splits"]}) == 2
    # With a folder that is no number the column is text for all of them: no tensor takes it.
    job.run_id += "-3"
    write_day(job, convert, "x")
    assert infer(job, model, job.folder / "data", *resume).code == 6
    assert rows(job) == wanted((1, 2))


def test_the_quarantine_has_the_folders_columns(model, convert, job):
    for day in DAYS:
        write_day(job, convert, day)
    folder = job.folder / "data" / "day=2"
    bad = pa.table({"id": pa.array([100]), "x": pa.array([None], pa.float32())})
    pq.write_table(bad, folder / "b.parquet")
    result = infer(job, model, job.folder / "data", "--set", "on_bad_row=quarantine")
    assert result.code == 0, result.stderr
    assert rows(job) == wanted(DAYS)
    (file,) = (job.folder / "out" / "_quarantine").glob("*.parquet")
    (row,) = pq.read_table(file).to_pylist()
    assert (row["day"], row["id"], row["column"]) == (2, 100, "x")


@pytest.mark.parametrize("way", ["inside", "pattern", "link", "resume"])
def test_an_output_in_the_input_is_refused(model, convert, job, way):
    write_day(job, convert, 1)
    (job.folder / "link").symlink_to("data")
    source, out = job.folder / "data", job.folder / "data" / "out"
    if way == "pattern":
        source = f"{source}/*"
    if way in ("link", "resume"):
        out = job.folder / "link" / "out"
    more = ("--set", "output.if_exists=resume") if way == "resume" else ()
    argv = ["infer", "--export-dir", model, "--input", source, "--local", "--output", out, *more]
    result = job.run(*argv)
    assert result.code == 2, result.stderr
    assert "its files would be read as rows" in result.stderr
    assert not out.exists()
