"""Spark ML's vectors, dense and sparse, in files that Spark wrote, feed a tensor of doubles."""

import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import slow

ROWS = 60
MAKE = """\
import sys
import tensorflow as tf
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession
model, data, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float64, name="x")])
    def __call__(self, x):
        return {"y": tf.linalg.matvec(x, tf.constant([1.0, 10.0, 100.0], tf.float64))}
one = Model()
tf.saved_model.save(one, model, signatures=one.__call__)
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
def vector(i):
    return Vectors.sparse(3, {i % 3: float(i)}) if i % 2 else Vectors.dense([i, 1.0, 2.0])
frame = spark.createDataFrame([(i, vector(i)) for i in range(rows)], ["id", "features"])
frame.coalesce(2).write.parquet(data)
"""
JOB = """\
export_dir: {model}
input: {input}
input_mapping: {{features: x}}
keep: [id]
output: {{path: out}}
cluster_size: 1
spark: {{master: "local[2]"}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, tensorflow_python):
    """(folder of the SavedModel, folder of the rows)"""
    folder = tmp_path_factory.mktemp("v")
    argv = [tensorflow_python, "-c", MAKE, folder / "model", folder / "data", str(ROWS)]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "model", folder / "data"


@pytest.mark.parametrize("read_by", [slow("executor"), "spark"])
def test_vectors(made, job, read_by):
    model, data = made
    query = f'{{sql: "SELECT * FROM parquet.`{data}`"}}'
    source = {"executor": f"{{path: {data}}}", "spark": query}
    path = job.folder / "infer.yaml"
    path.write_text(JOB.format(model=model, input=source[read_by]))
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    got = pq.read_table(job.folder / "out").sort_by("id")
    assert got["id"].to_pylist() == list(range(ROWS))
    want = [i * 10.0 ** (i % 3) if i % 2 else i + 210.0 for i in range(ROWS)]
    np.testing.assert_allclose(got["y"].to_numpy(), want, rtol=1e-12)
