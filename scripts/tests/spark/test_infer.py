"""Inference on executors, and the demo's whole way: train, export, infer, compare with Python."""

import json
import os
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import ROOT, Job, write_rows

TRAIN = """\
app: {{python: {{file: {root}/configs/digits/train.py, function: main_fun,
                export_function: export_fn, args: {{learning_rate: 0.002}}}}}}
strategy: independent
cluster_size: 2
input: {{path: {data}/train, format: parquet}}
input_mapping: {{image: image, label: label}}
batch_size: 32
epochs: 12
shuffle: {{buffer: 2000, seed: 1}}
model_dir: {out}/model
export_dir: {out}/export
spark: {{master: "{master}"}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits, any_master):
    """The digits model, trained Spark-fed and exported by tfos: (folder, training verdict)."""
    job = Job(tmp_path_factory.mktemp("t"), "digits-train")
    path = job.folder / "digits.yaml"
    master = any_master(2)
    path.write_text(TRAIN.format(root=ROOT, data=digits, out=job.folder, master=master))
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    job.assert_clean()
    return job.folder, result.verdict


@pytest.fixture
def expected(tensorflow_python):
    """(model, images) -> what Python TensorFlow says of the same rows."""

    def predict(model, images):
        code = (
            "import sys, numpy as np, tensorflow as tf\n"
            "f = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
            "name = list(f.structured_input_signature[1])[0]\n"
            "x = np.load(sys.argv[2])\n"
            "np.save(sys.argv[3], list(f(**{name: tf.constant(x)}).values())[0].numpy())\n"
        )
        source, target = model.parent / "x.npy", model.parent / "y.npy"
        np.save(source, images)
        argv = [tensorflow_python, "-c", code, model, source, target]
        subprocess.run(argv, check=True, capture_output=True)
        return np.load(target)

    return predict


def test_training_report(trained):
    folder, verdict = trained
    assert verdict["rows"] == {"read": 17244, "trained": 17244, "dropped": 0, "quarantined": 0}
    assert verdict["artifacts"] == [{"kind": "saved_model", "path": str(folder / "export")}]
    assert not [name for name in os.listdir(folder) if name.startswith("tfos-")]


def test_infer_equals_python(trained, digits, job, expected):
    """Without a job file, on two executors."""
    folder, _ = trained
    out = job.folder / "predictions"
    argv = ["infer", "--export-dir", folder / "export", "--input", digits / "test"]
    argv += ["--input-mapping", "image=image", "--keep", "id,label", "--batch-size", 64]
    result = job.run(*argv, "--output", out, "--set", "cluster_size=2")
    assert result.code == 0, result.stderr
    assert (out / "_SUCCESS").exists()
    got = pq.read_table(out)
    assert got.column_names[:2] == ["id", "label"]
    rows = pq.read_table(digits / "test")
    order = {i: n for n, i in enumerate(rows["id"].to_pylist())}
    images = np.array(rows["image"].to_pylist(), np.float32)
    want = expected(folder / "export", images)
    positions = [order[i] for i in got["id"].to_pylist()]
    assert sorted(positions) == list(range(360))
    np.testing.assert_allclose(np.array(got[2].to_pylist()), want[positions], atol=1e-5)
    labels = rows["label"].to_numpy()[positions]
    assert (labels == got["label"].to_numpy()).all()
    accuracy = (np.array(got[2].to_pylist()).argmax(1) == labels).mean()
    assert accuracy >= 0.93
    job.assert_clean()


def test_wrong_column_is_exit_6(trained, job):
    folder, _ = trained
    data = write_rows(job.folder / "data", 100)
    argv = ["infer", "--export-dir", folder / "export", "--input", data]
    argv += ["--output", job.folder / "out", "--input-mapping", "pixels=image"]
    result = job.run(*argv)
    assert result.code == 6, result.stderr
    assert "pixels" in json.dumps(result.verdict)
    assert not (job.folder / "out").exists()
    job.assert_clean()


GRAPH = """\
import sys, numpy as np, tensorflow.compat.v1 as tf
folder, rows, target = sys.argv[1:]
tf.disable_eager_execution()
x = tf.placeholder(tf.float32, [None, 64], "x")
with tf.variable_scope("dense"):
    kernel = tf.get_variable("kernel", [64, 10], use_resource=False)
    hidden = tf.matmul(x, kernel, name="MatMul")
scores = tf.nn.softmax(hidden, name="scores")
saver, session = tf.train.Saver(), tf.Session()
for step in (1, 2):
    session.run(tf.global_variables_initializer())
    saver.save(session, folder + "/model", step)
np.save(target, np.concatenate(session.run([hidden, scores], {x: np.load(rows)}), 1))
"""


def test_checkpoint_alone(digits, job, any_master, tensorflow_python):
    """A TensorFlow 1 checkpoint, a hidden layer too: what Python's session gives."""
    rows = pq.read_table(digits / "test")
    source, target = job.folder / "x.npy", job.folder / "y.npy"
    np.save(source, np.array(rows["image"].to_pylist(), np.float32))
    (job.folder / "model").mkdir()
    argv = [tensorflow_python, "-c", GRAPH, job.folder / "model", source, target]
    subprocess.run(argv, check=True, capture_output=True)
    path = job.folder / "infer.yaml"
    path.write_text(
        f"model_dir: model\ninput: {{path: {digits}/test}}\ninput_mapping: {{image: 'x:0'}}\n"
        "output_mapping: {'dense/MatMul:0': hidden, 'scores:0': scores}\nkeep: [id]\n"
        "output: {path: predictions}\ncluster_size: 2\n"
        f"spark: {{master: '{any_master(2)}'}}\n"
    )
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    assert "fits" in result.stderr
    got = pq.read_table(job.folder / "predictions")
    assert got.column_names == ["id", "hidden", "scores"]
    order = {i: n for n, i in enumerate(rows["id"].to_pylist())}
    want = np.load(target)[[order[i] for i in got["id"].to_pylist()]]
    have = np.concatenate([np.array(got[c].to_pylist()) for c in ("hidden", "scores")], 1)
    np.testing.assert_allclose(have, want, atol=1e-4)
    job.assert_clean()


def convert(into, source, out):
    argv = [ROOT / "bin" / "tfos", "convert", "--to", into, source, out]
    subprocess.run(argv, check=True, capture_output=True)


def test_formats_without_python(trained, digits, job, expected):
    """JSON in, TFRecord out, one file cut for two executors that have no Python: what parquet
    in and out give."""
    folder, _ = trained
    lines, records = job.folder / "lines", job.folder / "records"
    convert("json", digits / "test", lines)
    path = job.folder / "infer.yaml"
    path.write_text(
        f"export_dir: {folder}/export\ninput: {{path: {lines}, format: json}}\n"
        f"input_mapping: {{image: image}}\noutput_mapping: {{output_0: scores}}\nkeep: [id]\n"
        f"output: {{path: {records}, format: tfrecord}}\ncluster_size: 2\n"
        f"tensorflow: {{lib_dir: {ROOT}/.libtensorflow}}\n"
        "spark: {conf: {spark.pyspark.python: /nonexistent/python3}}\n"
    )
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    back = job.folder / "back"
    convert("parquet", records, back)
    got = pq.read_table(back)
    rows = pq.read_table(digits / "test")
    order = {i: n for n, i in enumerate(rows["id"].to_pylist())}
    images = np.array(rows["image"].to_pylist(), np.float32)
    want = expected(folder / "export", images)[[order[i] for i in got["id"].to_pylist()]]
    assert got.num_rows == 360
    np.testing.assert_allclose(np.array(got["scores"].to_pylist()), want, atol=1e-5)
    job.assert_clean()


@pytest.mark.slow
def test_no_libtensorflow(trained, digits, job, tmp_path):
    folder, _ = trained
    path = job.folder / "infer.yaml"
    path.write_text(
        f"export_dir: {folder}/export\ninput: {{path: {digits}/test}}\n"
        f"output: {{path: predictions}}\ntensorflow: {{lib_dir: {tmp_path}}}\n"
    )
    result = job.run("infer", path)
    assert result.code == 5, result.stderr
    assert "no libtensorflow" in result.verdict["cause"]
    assert not (job.folder / "predictions").exists()
    job.assert_clean()


def test_engine_killed(trained, job, any_master):
    """SIGKILL of the process that computes: exit 5, no output, nothing left."""
    folder, _ = trained
    pixels = {"image": lambda i: np.full(64, i % 17, np.float32)}
    data = write_rows(job.folder / "data", 50_000, files=2, columns=pixels)
    out = job.folder / "out"
    argv = ["infer", "--export-dir", folder / "export", "--input", data]
    argv += ["--master", any_master(2)]
    job.start(*argv, "--output", out, "--keep", "id", "--batch-size", 1)
    pids = job.wait_for(lambda: job.processes("tfos-engine run"), what="engine")
    os.kill(next(iter(pids)), 9)
    result = job.wait()
    assert result.code == 5, result.stderr
    assert not out.exists()
    assert [name for name in os.listdir(job.folder) if name.startswith(".out")] == []
    job.assert_clean()
