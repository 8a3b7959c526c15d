"""Graph programs on real Spark, whose executors have no Python: members that die, and what a new
start makes of it. test_graph_local.py compares numbers, test_graph_examples.py runs examples."""

import json
import os
import signal
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import ROOT, slow

LINE = """\
import sys
import tensorflow as tf
from tfos.graph import all_reduce, export_training

class Line(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([[0.0]], name="weight")

    def evaluate_step(self, x, y):
        return {"loss": tf.reduce_mean((x[:, None] @ self.weight - y[:, None]) ** 2)}

    def train_step(self, x, y):
        with tf.GradientTape() as tape:
            outputs = self.evaluate_step(x, y)
        (gradient,) = all_reduce(tape.gradient(outputs["loss"], [self.weight]))
        self.weight.assign_sub(0.2 * gradient)
        return outputs

spec = tf.TensorSpec([None], tf.float32)
export_training(Line(), None, None, sys.argv[1], inputs={"x": spec, "y": spec})
"""


UPDATES = """\
import sys
import tensorflow as tf
reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(sys.argv[1]))
print(reader.get_tensor("global_step/.ATTRIBUTES/VARIABLE_VALUE"))
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory, tensorflow_python):
    """(a graph program, its data: y = 3 x)"""
    folder = tmp_path_factory.mktemp("line")
    argv = [tensorflow_python, "-c", LINE, folder / "model"]
    subprocess.run(
        argv,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
    )
    x = np.random.default_rng(1).random(4_000, np.float32)
    (folder / "data").mkdir()
    for part, values in enumerate(np.split(x, 4)):
        pq.write_table(
            pa.table({"x": values, "y": 3 * values}), folder / "data" / f"{part}.parquet"
        )
    return folder


@pytest.fixture
def start(job, line, any_master):
    """(strategy, keys of the job file) -> the job, started."""

    def run(strategy, **keys):
        members = 3 if strategy == "parameter_server" else 2
        keys = {
            "app": {"graph": {"path": str(line / "model")}},
            "input": {"path": str(line / "data")},
            "strategy": strategy,
            "cluster_size": members,
            "num_ps": members - 2,
            "batch_size": 50,
            "model_dir": "ckpt",
            "checkpoint": {"every_steps": 20},
            "timeouts": {"lease": "8s"},  # more than the 5 s in which members end their engines
            "tensorflow": {"lib_dir": str(ROOT / ".libtensorflow")},
            "spark": {
                "master": any_master(keys.get("cluster_size", members)),
                "conf": {"spark.pyspark.python": "/nonexistent"},
            },
            **keys,
        }
        path = job.folder / "job.yaml"
        path.write_text(json.dumps(keys))
        job.run_id += "i"  # each run has a record of its own
        return job.start("train", path)

    return run


def engine(job, role, index):
    """The process id of a member's engine."""
    wanted = f'"task":{{"type":"{role}","index":{index}}}'
    for pid in job.processes("tfos-engine run"):
        with open(f"/proc/{pid}/environ", "rb") as file:
            if wanted in file.read().decode():
                return pid
    raise AssertionError(f"no engine of {role}:{index}")


@pytest.mark.parametrize(
    ("strategy", "role", "index"),
    [
        ("parameter_server", "ps", 0),
        slow("parameter_server", "worker", 1),
        ("all_reduce", "worker", 1),
    ],
)
def test_killed_engine(job, start, tensorflow_python, strategy, role, index):
    """The first cause is named within a lease, nothing is left, and a new start goes on."""
    start(strategy, epochs=100_000)
    job.wait_for((job.folder / "ckpt" / "checkpoint").exists, what="a checkpoint")
    os.kill(engine(job, role, index), signal.SIGKILL)
    result = job.wait(timeout=40)
    assert result.code == 5, result.stderr
    assert result.verdict["member"] == f"{role}:{index}" and "SIGKILL" in result.verdict["cause"]
    rows = result.verdict["rows"]
    assert rows["read"] == rows["trained"] + rows["dropped"]
    job.assert_clean()
    if role == "ps":
        argv = [tensorflow_python, "-c", UPDATES, job.folder / "ckpt"]
        updates = int(subprocess.run(argv, check=True, capture_output=True).stdout)
        result = start(strategy).wait()
        assert result.code == 0, result.stderr
        trained = result.verdict["train"]
        # Another worker's updates may come while the chief saves: they are in the checkpoint.
        assert 20 <= int(trained["resumed_from"].rpartition("-")[2]) <= updates
        assert trained["step"] - trained["steps"] == updates
        assert trained["metrics"]["loss"] < 0.1


def test_interrupted(job, start):
    """All-reduce: the chief, which waits for the other worker in each step, still saves."""
    start("all_reduce", epochs=100_000, checkpoint={"every_steps": 1_000_000})
    events = (job.folder / "ckpt").glob
    steps = lambda: any(b"loss" in path.read_bytes() for path in events("events.*"))  # noqa: E731
    job.wait_for(steps, what="steps")
    job.process.send_signal(signal.SIGINT)
    result = job.wait(timeout=40)
    assert result.code == 130, result.stderr
    checkpoint = result.verdict["train"]["checkpoint"]
    assert (job.folder / "ckpt" / f"{os.path.basename(checkpoint)}.index").exists()
    job.assert_clean()


def test_evaluator(job, start, line):
    """It evaluates each new checkpoint, and ends the training."""
    data = str(line / "data")
    result = start(
        "parameter_server",
        evaluator=True,
        cluster_size=4,
        input={"train": {"path": data}, "validation": {"path": data}},
        epochs=100_000,
        early_stopping={"metric": "loss", "patience": 1, "min_delta": 0.001},
    ).wait()
    assert result.code == 0, result.stderr
    trained = result.verdict["train"]
    assert trained["stopped"] == "early stopping" and trained["evaluated"]["loss"] < 0.01
    assert list((job.folder / "ckpt" / "eval").glob("events.out.tfevents.*"))
    rows = result.verdict["rows"]
    assert rows["read"] == rows["trained"] + rows["dropped"]
    job.assert_clean()


@pytest.mark.slow
def test_members_read_their_shares(job, start, line):
    """input_mode: tensorflow: all rows once an epoch, the same number of steps on each worker."""
    result = start("all_reduce", input_mode="tensorflow", epochs=3, readers=2).wait()
    assert result.code == 0, result.stderr
    rows = result.verdict["rows"]
    assert rows["read"] == 3 * 4_000 == rows["trained"] + rows["dropped"]
    assert result.verdict["train"]["steps"] == rows["trained"] / 100
    job.assert_clean()


def test_independent(job, start):
    """Each worker has a model of its own, and goes on from its own checkpoints."""
    begin = {"ckpt": 0, "ckpt/worker-1": 0}
    for _ in range(2):
        result = start("independent").wait()
        assert result.code == 0, result.stderr
        for folder, step in begin.items():
            steps = [int(p.stem.split("-")[1]) for p in (job.folder / folder).glob("ckpt-*.index")]
            begin[folder] = max(steps)
            assert begin[folder] > step, folder
        assert result.verdict["train"]["steps"] == result.verdict["rows"]["trained"] / 50
    job.assert_clean()
