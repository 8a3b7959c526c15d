"""The engine and Python programs with every TensorFlow, Python and Spark of the matrix.

Run by `make test-all`, or `make test-versions ARGS='-k 2.21'`. What the machine lacks fails.
"""

import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import PYTHON, ROOT, write_rows
from versions import environments
from versions.matrix import CELLS

ROWS = 200
SECONDS = 600  # of one job: a busy machine imports TensorFlow of many versions for the first time

# A model as Keras exports it, with texts and a table beside its layers, and its own values.
SAVE = """\
import sys, numpy as np, tensorflow as tf
folder, rows, target = sys.argv[1:]
image, word = tf.keras.Input((8,), name="image"), tf.keras.Input((), dtype="string", name="word")
known = tf.keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(word)
both = tf.keras.layers.Concatenate()([tf.keras.layers.Dense(16, "relu")(image), known])
model = tf.keras.Model([image, word], tf.keras.layers.Dense(3, "softmax", name="scores")(both))
model.export(folder)
given = np.load(rows)
np.save(target, model([tf.constant(given["image"]), tf.constant(given["word"])]).numpy())
"""

# What Python TensorFlow makes of a SavedModel's serving_default with one input and one output.
CALL = """\
import sys, numpy as np, tensorflow as tf
folder, rows, target = sys.argv[1:]
[output] = tf.saved_model.load(folder).signatures["serving_default"](
    image=tf.constant(np.load(rows))).values()
np.save(target, output.numpy())
"""

TRAIN = """\
app:
  python: {{file: {root}/configs/digits/train.py, function: main_fun, export_function: export_fn,
            args: {{learning_rate: 0.003}}}}
strategy: independent
cluster_size: 2
input: {{path: {digits}/train, format: parquet}}
read_by: spark
feeder: {feeder}
batch_size: 32
epochs: {epochs}
shuffle: {{buffer: 2000, seed: 1}}
model_dir: model
export_dir: export
resources: {{worker: {{memory: 1g}}}}
"""

INFER = """\
export_dir: export
input: {{path: {digits}/test, format: parquet}}
read_by: spark
input_mapping: {{image: image}}
keep: [id]
output: {{path: predictions}}
cluster_size: 2
"""


def run_python(python, program, *argv):
    subprocess.run([python, "-c", program, *map(str, argv)], check=True, capture_output=True)


def in_order(folder, column):
    table = pq.read_table(folder).sort_by("id")
    return table["id"].to_pylist(), np.array(table[column].to_pylist(), np.float32)


@pytest.fixture(params=CELLS, ids=str)
def cell(request):
    return request.param


@pytest.fixture
def python(cell):
    return environments.python(cell)


@pytest.mark.slow
def test_engine_computes_what_python_does(cell, python, job):
    """tfos infer --local with the cell's libtensorflow, without Spark."""
    rng = np.random.default_rng(1)
    image = rng.random((ROWS, 8), np.float32)
    word = rng.choice(["a", "b", "other"], ROWS)
    columns = {"image": lambda i: image[i], "word": lambda i: str(word[i])}
    write_rows(job.folder / "data", ROWS, files=2, columns=columns)
    np.savez(job.folder / "rows.npz", image=image, word=word)
    run_python(python, SAVE, job.folder / "saved", job.folder / "rows.npz", job.folder / "want.npy")
    argv = ["infer", "--local", "--export-dir", "saved", "--input", "data", "--output", "out"]
    result = job.run(*argv, "--keep", "id", env={"TFOS_PYTHON": str(python)})
    assert result.code == 0, result.stderr
    ids, got = in_order(job.folder / "out", "output_0")
    assert ids == list(range(ROWS))
    np.testing.assert_allclose(got, np.load(job.folder / "want.npy"), atol=1e-6)
    job.assert_clean()


def spark_env(cell, python):
    home = environments.spark_home(cell.spark)
    return {"TFOS_PYTHON": str(python), "PYSPARK_PYTHON": str(python), "SPARK_HOME": str(home)}


def train(cell, python, digits, job, feeder, epochs):
    """Train on two executors; every row of every epoch is accounted for."""
    text = TRAIN.format(root=ROOT, digits=digits, feeder=feeder, epochs=epochs)
    (job.folder / "train.yaml").write_text(text)
    result = job.run("train", "train.yaml", env=spark_env(cell, python), timeout=SECONDS)
    assert result.code == 0, result.stderr
    assert f"Spark {cell.spark} runs" in result.stderr
    account = result.verdict["rows"]
    assert account["read"] == epochs * pq.read_table(digits / "train").num_rows
    assert account["read"] == account["trained"] + account["dropped"]
    job.assert_clean()


@pytest.mark.slow
def test_training_fed_by_spark_then_inference(cell, python, digits, job):
    """A program takes ctx.dataset and exports; Spark's rows go through what it exported."""
    train(cell, python, digits, job, "arrow", epochs=6)
    test = pq.read_table(digits / "test").sort_by("id")
    np.save(job.folder / "x.npy", np.array(test["image"].to_pylist(), np.float32))
    run_python(python, CALL, job.folder / "export", job.folder / "x.npy", job.folder / "y.npy")
    want = np.load(job.folder / "y.npy")
    (job.folder / "infer.yaml").write_text(INFER.format(digits=digits))
    job.run_id = "infer-" + job.run_id
    result = job.run("infer", "infer.yaml", env=spark_env(cell, python), timeout=SECONDS)
    assert result.code == 0, result.stderr
    ids, got = in_order(job.folder / "predictions", "output_0")
    assert ids == test["id"].to_pylist()
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert (got.argmax(axis=1) == test["label"].to_numpy()).mean() > 0.9
    job.assert_clean()


@pytest.mark.slow
@pytest.mark.parametrize("cell", {cell.spark: cell for cell in CELLS}.values(), ids=str)
def test_training_fed_by_go_tasks(cell, digits, job):
    """feeder: pipe speaks Spark's own protocol with its Python workers: each Spark's."""
    train(cell, environments.python(cell), digits, job, "pipe", epochs=1)


@pytest.mark.slow
@pytest.mark.parametrize("feeder", ["auto", "arrow"])
def test_executors_with_another_python(digits, job, feeder):
    """Rows cannot go through a Python of another minor version: Go tasks take them, or exit 3."""
    other = environments.python(CELLS[0])
    text = TRAIN.format(root=ROOT, digits=digits, feeder=feeder, epochs=1)
    (job.folder / "train.yaml").write_text(text)
    env = {"TFOS_PYTHON": str(PYTHON), "PYSPARK_PYTHON": str(other)}
    result = job.run("train", "train.yaml", env=env, timeout=SECONDS)
    if feeder == "arrow":
        assert (result.code, result.verdict["phase"]) == (3, "preflight")
        assert "PYSPARK_PYTHON" in result.verdict["cause"]
    else:
        assert result.code == 0, result.stderr
        assert "feeder: pipe, because arrow cannot run here" in result.stderr
        account = result.verdict["rows"]
        assert account["read"] == pq.read_table(digits / "train").num_rows
        assert account["read"] == account["trained"] + account["dropped"]
    job.assert_clean()
