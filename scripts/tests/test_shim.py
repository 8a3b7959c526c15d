"""tensorflowonspark in programs that tfos runs: TFNode, compat, and what is refused."""

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import python_path
import tfos
from tfos import dropin
from tfos.context import Context

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["TFNode", "compat", "TFCluster", "TFParallel", "pipeline", "dfutil"]


class Node:
    context = {  # noqa: RUF012
        "job_name": "chief",
        "task_index": 0,
        "worker_num": 0,
        "cluster": {"chief": ["a:1"], "worker": ["b:1"]},
        "feeds": [],
    }


class Client:
    """A feed of rows with columns id, image, label, the tensors i, x, y."""

    mapping = (("id", "i"), ("image", "x"), ("label", "y"))

    def __init__(self, rows):
        self.left = list(range(rows))
        self.ended = False

    def next_batch(self, size):
        ids, self.left = self.left[:size], self.left[size:]
        if not ids:
            return None
        images = np.zeros((len(ids), 64), np.float32)
        images[np.arange(len(ids)), np.array(ids) % 10] = 1
        return {"i": np.array(ids), "x": images, "y": np.array(ids) % 10}

    def should_stop(self):
        return not self.left

    def terminate(self):
        self.ended, self.left = True, []

    def close(self):
        pass


@pytest.fixture
def ctx(tmp_path, monkeypatch):
    parameters = {"export_dir": str(tmp_path / "export"), "protocol": "grpc", "strategy": "x"}
    settings = {"parameters": parameters, "output": str(tmp_path / "out")}
    node = Node()
    node.context = {**Node.context, "context": settings}
    ctx = Context(node, str(tmp_path / "child.sock"))
    ctx._feeds["train"] = Client(10)
    monkeypatch.setattr(tfos, "_context", ctx)
    return ctx


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The shim, in this process; as if nothing had been imported."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    dropin.install()
    yield
    for name in set(sys.modules) - before:
        if name.startswith("tensorflowonspark"):
            del sys.modules[name]


def test_rows_without_a_mapping_are_tuples_in_column_order(ctx):
    from tensorflowonspark import TFNode

    feed = TFNode.DataFeed(ctx.mgr, False)
    assert not feed.should_stop()
    [(number, image, label)] = feed.next_batch(1)
    assert (number, list(image[:2]), label) == (0, [1.0, 0.0], 0)
    assert [row[0] for row in feed.next_batch(100)] == list(range(1, 10))
    assert feed.should_stop()
    assert feed.next_batch(1) == []


def test_rows_with_a_mapping_are_columns(ctx):
    from tensorflowonspark import TFNode

    feed = TFNode.DataFeed(ctx.mgr, input_mapping={"label": "y_", "id": "number"})
    assert feed.next_batch(3) == {"y_": [0, 1, 2], "number": [0, 1, 2]}
    # Another one goes on where it stopped, as with TensorFlowOnSpark's queue.
    assert TFNode.DataFeed(ctx.mgr).next_batch(1)[0][0] == 3
    feed.terminate()
    assert ctx._feeds["train"].ended and feed.should_stop()
    assert feed.next_batch(1) == {"y_": [], "number": []}


def test_results_of_all_feeds_go_to_the_jobs_output(ctx, tmp_path):
    from tensorflowonspark import TFNode

    TFNode.DataFeed(ctx.mgr, False).batch_results([1, 2])
    TFNode.DataFeed(ctx.mgr, False).batch_results([3])
    ctx.close()
    assert pq.read_table(tmp_path / "out")["prediction"].to_pylist() == [1, 2, 3]


def test_queues_that_are_not_there(ctx):
    from tensorflowonspark import TFNode

    with pytest.raises(ValueError, match="one feed and one output"):
        TFNode.DataFeed(ctx.mgr, qname_in="control")
    with pytest.raises(ValueError, match="one feed and one output"):
        ctx.get_data_feed(False, {"label": "y_"})  # as its second argument, a queue's name
    feed = ctx.get_data_feed(False, "input", "output", {"label": "y_"})
    assert feed.next_batch(2) == {"y_": [0, 1]}
    with pytest.raises(RuntimeError, match="get_data_feed"):
        ctx.mgr.get_queue("input")
    with pytest.raises(RuntimeError, match="methods of TFNode"):
        TFNode.next_batch(ctx.mgr, 1)


def test_paths_and_servers(ctx, monkeypatch):
    from tensorflowonspark import TFNode

    ctx.working_dir, ctx.default_fs = "/jobs", "hdfs://nn:8020"
    assert TFNode.hdfs_path(ctx, "m") == ctx.absolute_path("m") == "hdfs://nn:8020/jobs/m"
    with pytest.raises(ValueError, match=r"protocol: grpc\+verbs"):
        ctx.start_cluster_server(1, True)
    monkeypatch.setattr(ctx, "start_cluster_server", lambda *gpus_rdma: gpus_rdma)
    assert TFNode.start_cluster_server(ctx, 2, rdma=True) == (2, True)
    assert ctx.release_port() is None


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("TFCluster.run", "tfos train"),
        ("TFParallel.run", "strategy: independent"),
        ("pipeline.TFEstimator", "tfos train"),
        ("pipeline.TFModel", "tfos infer"),
        ("dfutil.loadTFRecords", "format: tfrecord"),
        ("dfutil.saveAsTFRecords", "format: tfrecord"),
    ],
)
def test_what_needs_a_driver_says_what_tfos_has(name, instead):
    module, _, function = name.partition(".")
    refused = getattr(importlib.import_module(f"tensorflowonspark.{module}"), function)
    with pytest.raises(NotImplementedError, match=instead):
        refused("sc", num_ps=0)
    from tensorflowonspark import TFCluster

    assert (TFCluster.InputMode.TENSORFLOW, TFCluster.InputMode.SPARK) == (0, 1)


@pytest.mark.parametrize("method", [False, True])
def test_a_session_is_exported(ctx, tmp_path, method):
    import tensorflow as tf
    from tensorflowonspark import TFNode

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        y = x * v1.get_variable("w", initializer=2.0)
        session.run(v1.global_variables_initializer())
        session.graph.finalize()
        name = "tensorflow/serving/predict"
        signature = {"inputs": {"a": x}, "outputs": {"b": y}, "method_name": name}
        signatures = {"double": signature}
        if method:
            ctx.export_saved_model(session, str(tmp_path / "m"), signatures=signatures)
        else:
            TFNode.export_saved_model(session, str(tmp_path / "m"), "serve", signatures)
        assert session.graph.finalized
    double = tf.saved_model.load(str(tmp_path / "m")).signatures["double"]
    assert double(tf.constant([3.0]))["b"].numpy() == [6.0]


@pytest.mark.parametrize("chief", [True, False])
def test_a_keras_3_model_is_exported_by_the_chief(ctx, tmp_path, chief):
    import keras
    import tensorflow as tf
    from tensorflowonspark import compat

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    target = tmp_path / "elsewhere"
    compat.export_saved_model(model, str(target), chief)
    assert target.exists() == chief
    saved = target if chief else Path(ctx.throw_away_dir)
    assert "serving_default" in tf.saved_model.load(str(saved)).signatures


def test_compat_of_datasets_and_gpus():
    import tensorflow as tf
    from tensorflowonspark import compat

    options = tf.data.Options()
    compat.disable_auto_shard(options)
    policy = options.experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF
    assert compat.is_gpu_available() == bool(tf.config.list_physical_devices("GPU"))


def test_an_installed_package_wins(tmp_path, monkeypatch):
    (tmp_path / "tensorflowonspark.py").write_text("REAL = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import tensorflowonspark

    assert tensorflowonspark.REAL


def test_the_shim_adds_itself_once():
    dropin.install()
    assert sys.meta_path.count(dropin.Finder) == 1
    assert sys.meta_path[-1] is dropin.Finder


# The program of docs/migration.md, in the manner of TensorFlowOnSpark's mnist_spark.py, as it is.
PROGRAM = """
import argparse, json, os, sys
import tfos
from tfos import dropin, program
sys.path.append({tests!r})
from test_shim import Client, Node
from tfos.context import Context
dropin.install()
import tensorflowonspark
assert ".zip" in tensorflowonspark.__file__ and ".zip" in tfos.__file__
parameters = {{"batch_size": 8, "epochs": 2, "export_dir": "export", "model_dir": None}}
node = Node()
node.context = {{
    **Node.context, "cluster": {{"chief": ["a:1"]}}, "context": {{"parameters": parameters}}
}}
tfos._context = ctx = Context(node, os.path.abspath("child.sock"))
ctx._feeds["train"] = Client(200)
ctx.parameters.model_dir = "model"
args = argparse.Namespace(**vars(ctx.parameters), learning_rate=0.01, rows=80)
program.load({train!r}, "main_fun").main_fun(args, ctx)
assert ctx._feeds["train"].ended
"""


def test_the_examples_function_runs_unchanged_from_the_shipped_archive(tmp_path):
    archive = tmp_path / "tfos.zip"
    package = ROOT / "scripts" / "tfos"
    with zipfile.ZipFile(archive, "w") as shipped:
        for path in sorted(package.rglob("*.py")):
            shipped.write(path, path.relative_to(package.parent))
    train = ROOT / "configs" / "migration" / "tensorflowonspark" / "train.py"
    assert "from tensorflowonspark import TFNode, compat" in train.read_text()
    text = PROGRAM.format(tests=str(Path(__file__).parent), train=str(train))
    run = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**python_path.environment(archive), "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "model" / "weights-0002.index").exists()
    # As TensorFlowOnSpark saves it: a Keras model, which Keras reads back.
    assert (tmp_path / "export" / "keras_metadata.pb").exists()
