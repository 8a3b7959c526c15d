"""A model split over tasks by its author's devices: variables are where they are updated."""

import importlib.util
from pathlib import Path

import graph_session
import numpy as np
import pytest
import tensorflow as tf
from graph_session import Graph, place
from test_graph_cluster import free_ports, products
from tfos.graph import ExportError, export_training

v1 = tf.compat.v1
ROOT = Path(__file__).resolve().parents[2]
TASKS = ["/job:worker/task:0", "/job:worker/task:1"]
STEPS = 10


def example():
    path = ROOT / "configs" / "graph" / "model_parallel" / "make_model.py"
    spec = importlib.util.spec_from_file_location("make_model_parallel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("split") / "graph")
    example().main(path)
    return path


def batches():
    rng = np.random.default_rng(3)
    for _ in range(STEPS):
        image = rng.integers(0, 17, (32, 64)).astype("float32")
        yield {"image": image, "label": image[:, :10].argmax(1)}


def without_devices(path):
    meta = graph_session.read(path)
    functions = [node for one in meta.graph_def.library.function for node in one.node_def]
    for node in [*meta.graph_def.node, *functions]:
        node.device = ""
    return meta


def test_variables_are_where_they_are_updated(split):
    nodes = [node for node in graph_session.read(split).graph_def.node if node.op == "VarHandleOp"]
    devices = {node.name: node.device for node in nodes}
    count = devices.pop("global_step")
    assert count == ""
    tasks = {name: TASKS[name.startswith("upper")] for name in devices}
    # The learning rate is read only.
    free = {name for name, device in devices.items() if not device}
    assert free == {"lower_adam/learning_rate", "upper_adam/learning_rate"}
    assert devices == {name: "" if name in free else task for name, task in tasks.items()}
    assert {"lower_adam/lower_first_kernel_momentum", "upper_adam/iteration"} <= tasks.keys()


def test_computes_on_both_tasks_what_one_member_computes(split):
    with Graph(split, meta=without_devices(split)) as graph:
        alone = [graph.run("train", batch)["loss"] for batch in batches()]
        want = graph.variables()
    assert alone[-1] < alone[0]
    jobs = ["worker", "worker", "ps"]
    ports = [f"127.0.0.1:{port}" for port in free_ports(3)]
    cluster = {"worker": ports[:2], "ps": ports[2:]}
    servers = [
        v1.train.Server(cluster, job_name=job, task_index=i, config=v1.ConfigProto())
        for job, i in zip(jobs, [0, 1, 0], strict=True)
    ]
    meta = graph_session.read(split)
    place(meta.graph_def, lambda name: "/job:ps/task:0", TASKS[0])
    options, seen = v1.RunOptions(output_partition_graphs=True), v1.RunMetadata()
    with Graph(split, target=servers[0].target, meta=meta) as graph:
        more = {"options": options, "run_metadata": seen}
        together = [graph.run("train", batch, **more)["loss"] for batch in batches()]
        got = graph.variables()
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    multiplied = {}
    for part in seen.partition_graphs:
        task = part.node[0].device.removesuffix("/device:CPU:0")
        multiplied[task] = [node.name for node in part.node if products([node.op])]
    first, second = (multiplied[task.replace("/task", "/replica:0/task")] for task in TASKS)
    assert any("lower" in name for name in first) and any("upper" in name for name in second)
    assert not any("upper" in name for name in first) and not any(
        "lower" in name for name in second
    )


class Torn(tf.Module):
    """A variable that two tasks update."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(1.0, name="weight")

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.weight * x)
        gradient = tape.gradient(loss, self.weight)

        def update(task):
            with tf.device(task):
                return self.weight.assign_sub(gradient).read_value()

        tf.cond(loss > 0, lambda: update(TASKS[0]), lambda: update(TASKS[1]))
        return {"loss": loss}


def test_a_variable_of_two_tasks_is_refused(tmp_path):
    inputs = {"x": tf.TensorSpec([None], tf.float32)}
    with pytest.raises(ExportError, match=f"weight: {TASKS[0]} and {TASKS[1]}: .*update it on one"):
        export_training(Torn(), None, None, tmp_path / "graph", inputs=inputs)
    assert list(tmp_path.iterdir()) == []
