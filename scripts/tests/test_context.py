"""ctx: SPIP's names and TensorFlowOnSpark's, against real TensorFlow where it takes part."""

import getpass
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import python_path
from tfos.context import Context

PARAMETERS = {"strategy": "all_reduce", "protocol": "grpc", "model_dir": "model", "export_dir": "x"}


class Node:
    """The member's side: what it tells the program, what it is told."""

    def __init__(self, job="worker", index=0, cluster=None, **settings):
        self.phases = []
        self.looks = []  # called at each question whether training has ended
        self.context = {
            "job_name": job,
            "task_index": index,
            "worker_num": 3,
            "cluster": cluster or {"ps": ["a:1"], "worker": ["b:1", "c:1"]},
            "feeds": [],
            "context": {"parameters": dict(PARAMETERS), **settings},
        }

    def phase(self, phase):
        self.phases.append(phase)

    def training_ended(self, timeout):
        return self.looks.pop(0)()


def make(tmp_path, **told):
    return Context(Node(**told), str(tmp_path / "child.sock"))


def test_names(tmp_path):
    ctx = make(tmp_path, index=1, working_dir="/jobs", default_fs="hdfs://nn:8020")
    assert (ctx.job_name, ctx.task_index, ctx.worker_num) == ("worker", 1, 3)
    assert ctx.cluster == {"ps": ["a:1"], "worker": ["b:1", "c:1"]}
    assert ctx.num_workers == 2
    assert ctx.server is None
    assert ctx.parameters.strategy == "all_reduce"
    # TensorFlowOnSpark's
    assert ctx.executor_id == ctx.worker_num
    assert ctx.cluster_spec is ctx.cluster
    assert ctx.defaultFS == ctx.default_fs == "hdfs://nn:8020"
    assert ctx.working_dir == "/jobs"
    assert ctx.user == getpass.getuser()


@pytest.mark.parametrize(
    "job, index, cluster, chief",
    [
        ("worker", 0, {"worker": ["a:1", "b:1"]}, True),
        ("worker", 1, {"worker": ["a:1", "b:1"]}, False),
        ("worker", 0, {"chief": ["a:1"], "worker": ["b:1"]}, False),
        ("chief", 0, {"chief": ["a:1"], "worker": ["b:1"]}, True),
        ("ps", 0, {"ps": ["a:1"], "worker": ["b:1"]}, False),
        ("evaluator", 0, {"worker": ["b:1"]}, False),
    ],
)
def test_one_member_is_the_chief_and_exports(tmp_path, job, index, cluster, chief):
    ctx = make(tmp_path, job=job, index=index, cluster=cluster)
    assert ctx.is_chief is chief
    # Every member may save: what the others write is in the member's folder, gone with it.
    assert ctx.parameters.export_dir == ("x" if chief else str(tmp_path / "export"))


def test_a_file_beside_the_export_can_be_opened(tmp_path):
    target = tmp_path / "not" / "there" / "tfos-r1.digits"
    parameters = {**PARAMETERS, "export_dir": str(target)}
    ctx = make(tmp_path, cluster={"worker": ["a:1"]}, parameters=parameters)
    with open(ctx.parameters.export_dir + ".keras", "w"):
        pass


@pytest.mark.parametrize(
    "path, default_fs, want",
    [
        ("data/train", "file:///", "/jobs/data/train"),
        ("../data", None, "/data"),
        ("/data", "file:///", "/data"),
        ("data", "hdfs://nn:8020", "hdfs://nn:8020/jobs/data"),
        ("/data", "hdfs://nn:8020/", "hdfs://nn:8020/data"),
        ("s3://b/data", "hdfs://nn:8020", "s3://b/data"),
    ],
)
def test_paths(tmp_path, path, default_fs, want):
    ctx = make(tmp_path, working_dir="/jobs", default_fs=default_fs)
    assert ctx.tf_path(path) == ctx.absolute_path(path) == ctx.hdfs_path(path) == want


def test_folders_of_the_job_are_on_the_default_file_system(tmp_path):
    given = {**PARAMETERS, "model_dir": "/m", "input_path": "s3://b/x", "validation_path": None}
    ctx = make(tmp_path, parameters=given, default_fs="hdfs://nn:8020")
    assert ctx.parameters.model_dir == "hdfs://nn:8020/m"
    assert ctx.parameters.input_path == "s3://b/x"
    assert ctx.parameters.validation_path is None


def test_a_mirrored_model_dir_is_a_local_folder(tmp_path):
    given = {**PARAMETERS, "model_dir": "/local/m", "model_url": "hdfs://nn:8020/m"}
    given["export_dir"] = str(tmp_path / "export")
    ctx = make(tmp_path, parameters=given, default_fs="hdfs://nn:8020")
    assert ctx.tf_path("/local/m") == "/local/m"
    assert ctx.tf_path("/local/m/weights.h5") == "/local/m/weights.h5"
    assert ctx.tf_path("/local/m2/weights.h5") == "hdfs://nn:8020/local/m2/weights.h5"
    assert ctx.tf_path(ctx.parameters.export_dir) == ctx.parameters.export_dir
    assert ctx.tf_path("/local/data") == "hdfs://nn:8020/local/data"
    assert ctx.parameters.model_dir == "/local/m"
    assert ctx.parameters.model_url == "hdfs://nn:8020/m"


class Feed:
    data_error = None

    def dataset(self, rows):
        return rows


@pytest.mark.parametrize(
    "strategy, job, per_worker, rows",
    [
        ("all_reduce", "worker", False, 20),  # the batch of both replicas
        ("all_reduce", "worker", True, 10),
        ("all_reduce", "evaluator", False, 10),  # outside of the strategy
        ("independent", "worker", False, 10),
        ("parameter_server", "worker", False, 10),
    ],
)
def test_rows_of_a_dataset(tmp_path, strategy, job, per_worker, rows):
    ctx = make(tmp_path, job=job)
    ctx.parameters.strategy = strategy
    ctx._feeds["train"] = Feed()
    assert ctx.dataset(10, per_worker=per_worker) == rows


def test_checkpoints(tmp_path):
    """Each once, oldest first, the last after training has ended; deleted ones are left out."""
    import tensorflow as tf

    ctx = make(tmp_path, job="evaluator", working_dir=str(tmp_path))
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=tf.Variable(0)), str(tmp_path / "model"), max_to_keep=2
    )

    def save(*numbers):
        for number in numbers:
            manager.save(number)

    ctx._node.looks = [
        lambda: False,
        lambda: save(1),
        lambda: save(2, 3, 4),  # 2 is deleted before anybody looks
        lambda: False,
        lambda: save(5) or True,
    ]
    got = [os.path.basename(path) for path in ctx.checkpoints()]
    assert got == ["ckpt-1", "ckpt-3", "ckpt-4", "ckpt-5"]
    assert ctx._node.phases == ["evaluating"]


def test_checkpoints_are_for_the_evaluator_and_in_a_folder(tmp_path):
    with pytest.raises(RuntimeError, match="evaluator"):
        next(make(tmp_path, job="worker").checkpoints())
    ctx = make(tmp_path, job="evaluator")
    ctx.parameters.model_dir = None
    with pytest.raises(RuntimeError, match="model_dir"):
        next(ctx.checkpoints())


@pytest.mark.parametrize("chief", [True, False])
def test_export_saved_model(tmp_path, chief):
    import keras
    import tensorflow as tf

    ctx = make(tmp_path, index=0 if chief else 1, working_dir=str(tmp_path))
    if chief:
        ctx.parameters.export_dir = str(tmp_path / "staging")
    keras_model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    module = tf.Module()
    module.f = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec(None)])
    ctx.export_saved_model(keras_model)
    assert "serving_default" in tf.saved_model.load(ctx.parameters.export_dir).signatures
    ctx.export_saved_model(module, "elsewhere")
    assert (tmp_path / "elsewhere" / "saved_model.pb").exists() is chief
    assert (tmp_path / "export" / "saved_model.pb").exists() is not chief


def test_export_without_a_folder(tmp_path):
    ctx = make(tmp_path)
    ctx.parameters.export_dir = None
    with pytest.raises(RuntimeError, match="export_dir"):
        ctx.export_saved_model(None)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_start_cluster_server(tmp_path):
    """In a process of its own: a server can never be stopped."""
    cluster = {"ps": [f"127.0.0.1:{free_port()}"], "worker": [f"127.0.0.1:{free_port()}"]}
    code = (
        "import json, sys, test_context as t, pathlib; "
        "ctx = t.make(pathlib.Path(sys.argv[2]), job='ps', cluster=json.loads(sys.argv[1])); "
        "cluster, server = ctx.start_cluster_server(); "
        "print('server', server.target, cluster.as_dict() == ctx.cluster); "
        "ctx.parameters.protocol = 'rdma'; "
        "ctx.start_cluster_server()"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(cluster), tmp_path],
        env=python_path.environment(here, here.parent),
        capture_output=True,
        text=True,
    )
    assert f"server grpc://{cluster['ps'][0]} True" in done.stdout, done.stderr
    assert "RuntimeError: protocol rdma: this TensorFlow has no server for it" in done.stderr
