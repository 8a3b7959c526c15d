"""Inference over what Spark reads: a query into a partitioned folder, and a bad row of ORC."""

import json
import os
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

# Two inputs and two outputs, one of them a list; wide must be 4 values.
MODEL = """\
import sys, numpy as np, tensorflow as tf
folder, rows, target = sys.argv[1:]
class Model(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(tf.random.stateless_normal([4, 3], [1, 2]))
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="wide"),
                                  tf.TensorSpec([None], tf.int64, name="count")])
    def __call__(self, wide, count):
        return {"scores": tf.nn.softmax(wide @ self.kernel), "next": count + 1}
model = Model()
tf.saved_model.save(model, folder, signatures={"serving_default": model.__call__})
x = np.load(rows)
np.save(target, model(tf.constant(x), tf.zeros([len(x)], tf.int64))["scores"].numpy())
"""
ROWS = 1000


@pytest.fixture(scope="module")
def model(tmp_path_factory, tensorflow_python):
    """(folder of the SavedModel, wide of all rows, Python TensorFlow's scores of them)."""
    folder = tmp_path_factory.mktemp("m")
    wide = np.random.default_rng(3).random((ROWS, 4), np.float32)
    np.save(folder / "x.npy", wide)
    argv = [tensorflow_python, "-c", MODEL, folder / "model", folder / "x.npy", folder / "y.npy"]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "model", wide, np.load(folder / "y.npy")


def table(wide):
    return pa.table(
        {
            "id": range(ROWS),
            "day": [f"d{i % 3}" for i in range(ROWS)],
            "wide": pa.array(list(wide), pa.list_(pa.float32())),
        }
    )


def test_query_into_partitions(model, job):
    """A query's rows on two executors: Python's numbers, the kept columns in their rows."""
    folder, wide, want = model
    (job.folder / "data").mkdir()
    for i in range(4):
        pq.write_table(table(wide).slice(i * 250, 250), job.folder / "data" / f"part-{i}.parquet")
    path = job.folder / "infer.yaml"
    query = f"SELECT id, day, wide, id * 10 AS count FROM parquet.`{job.folder}/data` WHERE id > 9"
    path.write_text(
        f"export_dir: {folder}\ninput: {{sql: '{query}'}}\nkeep: [id, day]\nbatch_size: 64\n"
        "output: {path: out, partition_by: [day]}\ncluster_size: 2\n"
    )
    job.start("infer", path)
    engines = set()

    def seen():
        engines.update(job.processes("tfos-engine run"))
        return job.process.poll() is not None or (job.folder / "out").exists()

    job.wait_for(seen, what="output")
    result = job.wait()
    assert result.code == 0, result.stderr
    assert len(engines) == 2  # one an executor, for all of its tasks
    assert "read_by: spark: because input is a query" in result.stderr
    assert "fits" in result.stderr
    infer = result.verdict["infer"]
    assert (infer["rows"], infer["splits"]) == (ROWS - 10, [])
    assert infer["partitions"] > 1
    assert len(result.verdict["throughput"]["members"]) == 2
    assert sorted(p.name for p in (job.folder / "out").glob("day=*")) == [
        "day=d0",
        "day=d1",
        "day=d2",
    ]
    assert (job.folder / "out" / "_SUCCESS").exists()
    assert json.loads((job.folder / "out" / "_manifest.json").read_text())["rows"] == ROWS - 10
    got = ds.dataset(job.folder / "out", format="parquet", partitioning="hive").to_table()
    got = got.sort_by("id").to_pydict()
    assert got["id"] == list(range(10, ROWS))
    assert got["day"] == [f"d{i % 3}" for i in got["id"]]
    assert got["next"] == [i * 10 + 1 for i in got["id"]]
    np.testing.assert_allclose(np.array(got["scores"]), want[10:], atol=1e-5)
    job.assert_clean()


def test_bad_row_of_orc(model, job, any_master):
    """ORC, which only Spark reads: a list too short is exit 6 with its place, and no output."""
    folder, wide, _ = model
    rows = table(wide).append_column("count", pa.array(range(ROWS), pa.int64()))
    lists = rows["wide"].to_pylist()
    lists[700] = lists[700][:3]
    rows = rows.set_column(2, "wide", pa.array(lists, pa.list_(pa.float32())))
    (job.folder / "data").mkdir()
    orc.write_table(rows, str(job.folder / "data" / "part.orc"))
    path = job.folder / "infer.yaml"
    path.write_text(
        f"export_dir: {folder}\ninput: {{path: data, format: orc}}\nkeep: [id]\n"
        f"output: {{path: out, format: json}}\nspark: {{master: '{any_master(1)}'}}\n"
    )
    result = job.run("infer", path)
    assert result.code == 6, result.stderr
    assert 'partition 0: row 700, column "wide"' in result.verdict["cause"]
    assert "3 values" in result.verdict["cause"]
    assert [name for name in os.listdir(job.folder) if "out" in name] == []
    job.assert_clean()
