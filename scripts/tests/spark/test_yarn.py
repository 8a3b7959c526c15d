"""Jobs on a real YARN and HDFS (make test-yarn), in client mode. What is the same on all
clusters, and cluster mode, is in test_clusters.py."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile

import graph_models as models
import numpy as np
import pyarrow.parquet as pq
import pytest
from harness import PROGRAMS, PYTHON, ROOT, slow, write_rows
from real_clusters import fetch, properties
from tfos.graph import export_training

pytestmark = pytest.mark.yarn

ROWS = 1_000
MODEL = """\
import sys, numpy as np, tensorflow as tf
image = tf.keras.Input((16,), name="image")
model = tf.keras.Model(image, tf.keras.layers.Dense(3)(image))
model.export(sys.argv[1], verbose=False)
np.save(sys.argv[3], model(np.load(sys.argv[2])).numpy())
"""


@pytest.fixture
def yarn(yarn_client):
    return yarn_client


@pytest.fixture
def hdfs(yarn_hdfs):
    return yarn_hdfs


@pytest.fixture
def write(job, yarn):
    """(keys, **conf) -> a job file of two members on YARN."""

    def make(keys, conf=None, **more):
        all_keys = {
            "cluster_size": 2,
            "resources": {"worker": {"memory": "1g"}},
            "spark": yarn.spark(**(conf or {})),
            **keys,
            **more,
        }
        path = job.folder / "job.yaml"
        path.write_text(json.dumps(all_keys))
        return path

    return make


def program(hdfs, job, args=None, **keys):
    """The keys of a job of a Python program whose rows and model are on HDFS."""
    write_rows(job.folder / "data", ROWS, files=2)
    return {
        "app": {
            "python": {
                "file": str(PROGRAMS / "yarn_member.py"),
                "function": "main_fun",
                "args": args or {},
            }
        },
        "strategy": "independent",
        "input": {"path": hdfs.put(job.folder / "data", f"{job.run_id}/data")},
        "batch_size": 50,
        "model_dir": f"{hdfs.url}/{job.run_id}/model",
        **keys,
    }


def application(yarn, job):
    """What the ResourceManager says of the run's application."""
    (found,) = yarn.applications(job)
    return json.loads(fetch(f"{yarn.web}/ws/v1/cluster/apps/{found}"))["app"]


def environment(folder):
    """An archive as venv-pack makes one: Python is a link, and the packages are .venv's."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder / "env"], check=True)
    site = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    own = next((ROOT / ".venv").resolve().glob("lib/python3*/site-packages"))
    (folder / "env" / site / "all.pth").write_text(f"{own}\n")
    with tarfile.open(folder / "env.tar.gz", "w:gz") as archive:
        for path in sorted((folder / "env").iterdir()):
            archive.add(path, path.name)
    return folder / "env.tar.gz"


def test_python_program(yarn, hdfs, job, write):
    """Rows, model and Python come from HDFS, and logs stay with YARN."""
    archive = hdfs.put(environment(job.folder), f"{job.run_id}/env.tar.gz")
    keys = program(hdfs, job, environment={"archive": archive})
    conf = {"spark.yarn.tags": "nightly", "spark.executorEnv.TFOS_TEST_MARK": "passed"}
    done = job.run("train", write(keys, conf))
    assert done.code == 0, done.stderr
    hdfs.get(f"{job.run_id}/model", job.folder / "got")
    notes = [json.loads(path.read_text()) for path in (job.folder / "got").glob("member-*")]
    assert sum(note["rows"] for note in notes) == ROWS and len(notes) == 2
    assert all(note["prefix"].endswith("/tfos-environment") for note in notes)
    assert all(note["mark"] == "passed" for note in notes)
    app = application(yarn, job)
    assert app["state"] == "FINISHED" and app["finalStatus"] == "SUCCEEDED"
    assert {"nightly", "tfos"} < set(app["applicationTags"].split(","))
    logs = [log["path"] for log in done.verdict["logs"]]
    assert all("/node/containerlogs/container_" in log for log in logs) and len(logs) == 2
    job.assert_clean()
    yarn.assert_clean(job)


def test_graph_program_and_inference(yarn, hdfs, job, write, tmp_path):
    """Without Python on executors: libtensorflow comes as an archive."""
    made, arguments = models.perceptron()
    export_training(made, path=str(tmp_path / "graph"), **arguments)
    models.write(tmp_path / "rows" / "rows.parquet", models.batches(8, models.classes))
    library = (ROOT / ".libtensorflow").resolve()
    with tarfile.open(tmp_path / "tensorflow.tgz", "w:gz") as archive:
        for path in library.glob("libtensorflow*"):
            archive.add(path, f"lib/{path.name}")  # links
    at = f"{hdfs.url}/{job.run_id}"
    keys = {
        "app": {"graph": {"path": hdfs.put(tmp_path / "graph", f"{job.run_id}/graph")}},
        "input": {"path": hdfs.put(tmp_path / "rows", f"{job.run_id}/rows")},
        "batch_size": models.ROWS,
        "strategy": "independent",
        "model_dir": f"{at}/model",
        "export_dir": f"{at}/export",
        "cluster_size": 1,
        "tensorflow": {"archive": str(tmp_path / "tensorflow.tgz")},
    }
    # An interpreter without TensorFlow: the library is the archive's.
    conf = {"spark.pyspark.python": "/usr/bin/false"}
    done = job.run("train", write(keys, conf))
    assert done.code == 0, done.stderr
    assert done.verdict["train"]["steps"] == 8
    job.run_id += "-infer"
    keys = {
        "export_dir": f"{at}/export",
        "input": keys["input"],
        "keep": ["y"],
        "output": {"path": f"{at}/predictions"},
        "tensorflow": keys["tensorflow"],
    }
    done = job.run("infer", write(keys, conf, cluster_size=1))
    assert done.code == 0, done.stderr
    hdfs.get(f"{job.run_id.removesuffix('-infer')}/predictions", tmp_path / "got")
    got = pq.read_table(tmp_path / "got")
    assert got.num_rows == 8 * models.ROWS and "y" in got.column_names
    job.assert_clean()
    yarn.assert_clean(job)


@pytest.mark.slow
def test_inference_by_spark(yarn, hdfs, job, write, tmp_path):
    """Spark's Python workers on executors hand rows to the engine beside them."""
    pixels = np.random.default_rng(1).random((ROWS, 16), np.float32)
    write_rows(tmp_path / "data", ROWS, files=2, columns={"image": lambda i: pixels[i]})
    np.save(tmp_path / "x.npy", pixels)
    argv = [PYTHON, "-c", MODEL, tmp_path / "model", tmp_path / "x.npy", tmp_path / "y.npy"]
    subprocess.run(argv, check=True, capture_output=True)
    keys = {
        "export_dir": hdfs.put(tmp_path / "model", f"{job.run_id}/model"),
        "input": {"path": hdfs.put(tmp_path / "data", f"{job.run_id}/data")},
        "read_by": "spark",
        "keep": ["id"],
        "output": {"path": f"{hdfs.url}/{job.run_id}/predictions"},
    }
    done = job.run("infer", write(keys))
    assert done.code == 0, done.stderr
    hdfs.get(f"{job.run_id}/predictions", tmp_path / "got")
    table = pq.read_table(tmp_path / "got")
    want = np.load(tmp_path / "y.npy")
    got = np.array(table["output_0"].to_pylist())
    np.testing.assert_allclose(got, want[table["id"].to_numpy()], atol=1e-5)


@pytest.mark.parametrize("mode", ["client", slow("cluster")])
def test_log_of_a_lost_member(yarn, hdfs, job, write, mode):
    """A container that is gone cannot report: YARN has what its program printed. In cluster
    mode that is after the application's end: the NodeManager has deleted what it has collected."""
    spark = {**yarn.spark(), "deploy_mode": mode}
    keys = program(hdfs, job, {"pause": 3}, spark=spark, timeouts={"lease": "3s"})
    job.start("train", write(keys))
    job.wait_for(lambda: re.search(r"rows fed, [1-9]\d* trained", stderr(job)), what="batches")
    found = job.processes("YarnCoarseGrainedExecutorBackend")
    executor = next(pid for pid, command in found.items() if command.split()[0].endswith("java"))
    group = os.getsid(executor)  # YARN starts each container in a session of its own
    for pid in job.processes():
        if os.getsid(pid) == group:
            os.kill(pid, signal.SIGKILL)
    done = job.wait()
    assert done.code == 5 and "was lost" in done.verdict["cause"], done.stderr
    assert done.verdict["retryable"] and done.verdict["member"].startswith("worker:")
    assert "50 rows" in done.verdict["stderr"], done.verdict
    assert "/node/containerlogs/container_" in done.verdict["log_path"]
    job.assert_clean()
    yarn.assert_clean(job)


def stderr(job):
    return (job.folder / "stderr.txt").read_text()


def test_unknown_queue(yarn, hdfs, job, write):
    done = job.run("train", write(program(hdfs, job), {"spark.yarn.queue": "nobodys"}))
    assert done.code == 3 and "nobodys" in done.verdict["cause"], done.stderr
    job.assert_clean()


@pytest.mark.slow
@pytest.mark.skipif("TFOS_TEST_YARN_OWN" not in os.environ, reason="needs its queue small")
def test_full_queue(yarn, hdfs, job, write):
    """A queue that has room for the AM only."""
    conf = {"spark.yarn.queue": "small"}
    job.start("train", write(program(hdfs, job), conf, timeouts={"reservation": "60s"}))
    job.wait_for(lambda: "waiting: queue small has" in stderr(job), what="the queue's state")
    done = job.wait()
    assert done.code == 4, done.stderr
    for words in ["queue small has", "waits for 2 containers", "headroom"]:
        assert words in done.verdict["cause"], done.verdict["cause"]
    job.assert_clean()


@pytest.mark.slow
def test_member_at_its_memory_is_not_killed(yarn, hdfs, job, write):
    """A member with all of resources.worker.memory, beside a JVM with its heap and a feed."""
    memory = 1 << 30
    keys = program(hdfs, job)
    keys["app"]["python"] |= {"file": str(PROGRAMS / "yarn_memory.py"), "args": {"limit": memory}}
    done = job.run("train", write(keys))
    assert done.code == 0, done.stderr
    site = properties(pathlib.Path(os.environ["TFOS_TEST_YARN"]) / "yarn-site.xml")
    assert site.get("yarn.nodemanager.pmem-check-enabled", "true") == "true"
