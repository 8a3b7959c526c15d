"""Inference on executors, and the demo's whole way: train, export, infer, compare with Python."""

import json
import os
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import PYTHON, ROOT, Job, write_rows

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
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits):
    """The digits model, trained Spark-fed and exported by tfos: (folder, training verdict)."""
    job = Job(tmp_path_factory.mktemp("t"), "digits-train")
    path = job.folder / "digits.yaml"
    path.write_text(TRAIN.format(root=ROOT, data=digits, out=job.folder))
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    job.assert_clean()
    return job.folder, result.verdict


def expected(model, images):
    """What Python TensorFlow says of the same rows."""
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "f = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "name = list(f.structured_input_signature[1])[0]\n"
        "x = np.load(sys.argv[2])\n"
        "np.save(sys.argv[3], list(f(**{name: tf.constant(x)}).values())[0].numpy())\n"
    )
    source, target = model.parent / "x.npy", model.parent / "y.npy"
    np.save(source, images)
    subprocess.run([PYTHON, "-c", code, model, source, target], check=True, capture_output=True)
    return np.load(target)


def test_training_report(trained):
    folder, verdict = trained
    assert verdict["rows"] == {"read": 17244, "trained": 17244, "dropped": 0, "quarantined": 0}
    assert verdict["artifacts"] == [{"kind": "saved_model", "path": str(folder / "export")}]
    assert not [name for name in os.listdir(folder) if name.startswith(".export")]


def test_infer_equals_python(trained, digits, job):
    folder, _ = trained
    path = job.folder / "infer.yaml"
    path.write_text(
        f"export_dir: {folder}/export\n"
        f"input: {{path: {digits}/test, format: parquet}}\n"
        "input_mapping: {image: image}\nkeep: [id, label]\nbatch_size: 64\ncluster_size: 2\n"
        "output: {path: predictions}\n"
    )
    result = job.run("infer", path)
    assert result.code == 0, result.stderr
    out = job.folder / "predictions"
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


def test_infer_without_job_file(trained, digits, job, standalone):
    folder, _ = trained
    out = job.folder / "out"
    argv = ["infer", "--export-dir", folder / "export", "--input", digits / "test"]
    argv += ["--output", out, "--keep", "id", "--master", standalone]
    result = job.run(*argv)
    assert result.code == 0, result.stderr
    assert pq.read_table(out).num_rows == 360
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


def test_engine_killed(trained, job):
    """SIGKILL of the process that computes: exit 5, no output, nothing left."""
    folder, _ = trained
    pixels = {"image": lambda i: [float(i % 17)] * 64}
    data = write_rows(job.folder / "data", 200_000, files=2, columns=pixels)
    out = job.folder / "out"
    argv = ["infer", "--export-dir", folder / "export", "--input", data]
    job.start(*argv, "--output", out, "--keep", "id", "--batch-size", 1)
    pids = job.wait_for(lambda: job.processes("tfos-engine run"), what="engine")
    os.kill(next(iter(pids)), 9)
    result = job.wait()
    assert result.code == 5, result.stderr
    assert not out.exists()
    assert [name for name in os.listdir(job.folder) if name.startswith(".out")] == []
    job.assert_clean()
