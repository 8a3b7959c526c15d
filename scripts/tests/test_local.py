"""`tfos infer --local`: real bin/tfos and TensorFlow, no Spark, no Java."""

import os
import shutil
import signal
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import write_rows
from proxy import RefusingProxy

ROWS = 1_000
MODEL = """\
import sys, numpy as np, tensorflow as tf
image = tf.keras.Input((784,), name="image")
hidden = tf.keras.layers.Dense(128, "relu")(image)
model = tf.keras.Model(image, tf.keras.layers.Dense(10)(hidden))
model.export(sys.argv[1], verbose=False)
np.save(sys.argv[3], model(np.load(sys.argv[2])).numpy())
"""


@pytest.fixture(scope="module")
def mlp(tmp_path_factory, tensorflow_python):
    """(folder with model and data, predictions of Python TensorFlow in the order of the ids)"""
    folder = tmp_path_factory.mktemp("m")
    pixels = np.random.default_rng(1).random((ROWS, 784), np.float32)
    write_rows(folder / "data", ROWS, files=3, columns={"image": lambda i: pixels[i]})
    np.save(folder / "x.npy", pixels)
    argv = [tensorflow_python, "-c", MODEL, folder / "model", folder / "x.npy", folder / "y.npy"]
    subprocess.run(argv, check=True, capture_output=True)
    return folder, np.load(folder / "y.npy")


@pytest.fixture
def no_java():
    """An environment in which no java can be found: neither JAVA_HOME nor a PATH that has one."""
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(f for f in folders if not shutil.which("java", path=f))
    return {"PATH": path, "JAVA_HOME": "/none", "SPARK_HOME": "/none"}


def infer(mlp, job, *more):
    folder, _ = mlp
    argv = ["infer", "--export-dir", folder / "model", "--input", folder / "data"]
    return [*argv, "--output", job.folder / "out", "--keep", "id", "--local", *more]


@pytest.fixture
def running(mlp, job):
    """A job of many small steps whose engine computes."""
    folder, _ = mlp
    zeros = np.zeros(784, np.float32)
    data = write_rows(job.folder / "data", 30_000, files=2, columns={"image": lambda i: zeros})
    argv = ["infer", "--export-dir", folder / "model", "--input", data, "--local"]
    argv += ["--set", "timeouts.lease=3s"]  # a killed supervisor is missed by its lease
    job.start(*argv, "--output", job.folder / "out", "--keep", "id", "--batch-size", 1)
    staging = job.folder / f".out.tfos-{job.run_id}"
    job.wait_for(lambda: staging.exists() and any(staging.iterdir()), what="output")
    return job


def one(job, cmdline):
    (pid,) = job.processes(cmdline)
    return pid


def assert_nothing(job):
    """No output, no half of one, and nothing else of the run."""
    job.assert_clean()
    assert [name for name in os.listdir(job.folder) if "out" in name] == []


def test_equals_python(mlp, job, no_java):
    """And again into the same folder: refused, then replaced; a job file runs here too."""
    folder, want = mlp
    result = job.run(*infer(mlp, job), env=no_java)
    assert result.code == 0, result.stderr
    out = job.folder / "out"
    assert (out / "_SUCCESS").exists() and (out / "_manifest.json").exists()
    got = pq.read_table(out)
    assert got.column_names == ["id", "output_0"]
    assert sorted(got["id"].to_pylist()) == list(range(ROWS))
    ids = got["id"].to_numpy()
    np.testing.assert_allclose(np.array(got["output_0"].to_pylist()), want[ids], atol=1e-4)
    assert result.verdict["infer"]["rows"] == ROWS
    assert result.verdict["seconds"]["total"] > 0
    job.assert_clean()
    job.run_id += "-b"
    again = job.run(*infer(mlp, job), env=no_java)
    assert again.code == 7, again.stderr
    path = job.folder / "job.yaml"
    path.write_text(
        f"export_dir: {folder}/model\ninput: {{path: {folder}/data}}\nkeep: [id]\n"
        "output: {path: out, if_exists: replace}\ncluster_size: 4\nspark: {master: yarn}\n"
    )
    job.run_id += "c"
    replaced = job.run("infer", path, "--local", env=no_java)
    assert replaced.code == 0, replaced.stderr
    assert pq.read_table(out).num_rows == ROWS
    job.assert_clean()


def test_too_slow(mlp, job):
    """The output is complete, and the record has the verdict."""
    result = job.run(*infer(mlp, job, "--min-throughput", "1e12"))
    assert (result.code, result.verdict["phase"]) == (8, "throughput"), result.stderr
    assert result.verdict["cause"].endswith("rows/s is less than --min-throughput 1e+12")
    assert pq.read_table(job.folder / "out").num_rows == ROWS
    assert (job.folder / "out" / "_SUCCESS").exists()
    assert [a["path"] for a in result.verdict["artifacts"]] == [str(job.folder / "out")]
    job.assert_clean()


def test_does_not_fit(mlp, job):
    data = write_rows(job.folder / "data", 10, columns={"image": lambda i: [1.0] * 3})
    folder, _ = mlp
    argv = ["infer", "--export-dir", folder / "model", "--input", data, "--local"]
    result = job.run(*argv, "--output", job.folder / "out")
    assert result.code == 6, result.stderr
    assert_nothing(job)


def test_no_model(mlp, job):
    result = job.run(*infer(mlp, job), "--set", f"export_dir={job.folder}/none")
    assert result.code == 2, result.stderr
    assert_nothing(job)


def test_no_libtensorflow(mlp, job, tmp_path):
    result = job.run(*infer(mlp, job), "--set", f"tensorflow.lib_dir={tmp_path}")
    assert result.code == 5, result.stderr
    assert "no libtensorflow" in result.verdict["cause"]
    assert_nothing(job)


def test_ctrl_c(running):
    os.kill(running.process.pid, signal.SIGINT)
    result = running.wait(timeout=120)
    assert result.code == 130, result.stderr
    assert_nothing(running)


@pytest.mark.parametrize("victim", ["tfos-engine run", "tfos-node run", "tfos-node local"])
def test_killed(running, victim):
    os.kill(one(running, victim), signal.SIGKILL)
    result = running.wait(timeout=120)
    assert result.code == 5, result.stderr
    assert_nothing(running)


def test_launcher_killed(running):
    running.process.kill()
    running.process.wait()
    running.err.close()
    assert_nothing(running)


def test_behind_a_proxy(mlp, job):
    """Of a run without Spark nothing goes through the machine's proxies."""
    with RefusingProxy() as proxy:
        result = job.run(*infer(mlp, job), env=proxy.environment)
        assert proxy.asked == []
    assert result.code == 0, result.stderr
    assert result.verdict["infer"]["rows"] == ROWS
    job.assert_clean()
