"""What models take beside rows of open batches, over what Spark reads.

A constant, a fixed batch, a ragged input, a binary output, rounding.
"""

import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MODEL = """\
import sys, tensorflow as tf
spec = tf.TensorSpec
class Model(tf.Module):
    @tf.function(input_signature=[spec([4, 2], tf.float32, name="x"),
                                  tf.RaggedTensorSpec([4, None], tf.int64),
                                  spec([], tf.float32, name="scale")])
    def call(self, x, tokens, scale):
        image = lambda v: tf.io.encode_png(tf.fill([1, 1, 1], tf.cast(v, tf.uint8)))
        sums = tf.reduce_sum(tokens, 1)
        return {"y": tf.reduce_sum(x, 1) * scale + tf.cast(sums, tf.float32),
                "png": tf.map_fn(image, tokens.row_lengths(), fn_output_signature=tf.string)}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures=model.call)
"""
ROWS = 103
JOB = """\
export_dir: {model}
input: {{sql: "SELECT id, x, tokens FROM parquet.`{data}`"}}
keep: [id]
constants: {{scale: 2}}
binary_outputs: [png]
allow_narrowing: true
batch_size: 10
output: {{path: out}}
cluster_size: 1
spark: {{master: "local[2]"}}
{more}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, tensorflow_python):
    """(folder of the SavedModel, folder of the rows)"""
    folder = tmp_path_factory.mktemp("m")
    subprocess.run(
        [tensorflow_python, "-c", MODEL, folder / "model"], check=True, capture_output=True
    )
    x = [[i + 0.1, 1.0] for i in range(ROWS)]
    x[50] = [1e300, 1.0]
    columns = {
        "id": range(ROWS),
        "x": pa.array(x, pa.list_(pa.float64())),
        "tokens": pa.array([list(range(i % 5)) for i in range(ROWS)], pa.list_(pa.int64())),
    }
    (folder / "data").mkdir()
    for i in range(2):
        pq.write_table(pa.table(columns).slice(i * 52, 52), folder / "data" / f"{i}.parquet")
    return folder / "model", folder / "data"


def test_short_batches_are_filled_up(made, job):
    path = job.folder / "infer.yaml"
    more = "pad_last_batch: true\non_bad_row: quarantine\n"
    path.write_text(JOB.format(model=made[0], data=made[1], more=more))
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    got = pq.read_table(job.folder / "out").sort_by("id")
    good = [i for i in range(ROWS) if i != 50]
    assert got["id"].to_pylist() == good
    want = [np.float32(i + 0.1) * 2 + 2 + sum(range(i % 5)) for i in good]
    np.testing.assert_allclose(got["y"].to_numpy(), want, rtol=1e-6)
    assert got.schema.field("png").type == pa.binary()
    assert all(v.startswith(b"\x89PNG") for v in got["png"].to_pylist())
    bad = pq.read_table(job.folder / "out" / "_quarantine")
    assert bad["id"].to_pylist() == [50] and "1e+300" in bad["reason"].to_pylist()[0]
    assert result.verdict["infer"]["read"] == ROWS


@pytest.mark.slow
def test_rows_that_are_no_whole_batch_are_refused(made, job):
    path = job.folder / "infer.yaml"
    text = JOB.format(model=made[0], data=made[1], more="")
    path.write_text(text.replace('`"}', '` WHERE id != 50"}'))
    result = job.run("infer", path)
    assert result.code == 6, result.stderr
    assert "are left over" in result.stderr and "partition " in result.stderr
    assert not (job.folder / "out").exists()
