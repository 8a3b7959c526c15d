"""Exported graphs in clusters of processes, each with a TensorFlow server of its own: what one
member computes, two by all-reduce compute too, and a worker with parameter servers."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import graph_models as models
import graph_session
import numpy as np
import pytest
import tensorflow as tf
from graph_models import ROWS, batches
from tfos.graph import all_reduce, export_training
from tfos.graph.collective import GATHER_BYTES, Members, traced_with

v1 = tf.compat.v1
STEPS = 20
LEADER = "/job:worker/replica:0/task:0"


class Cluster:
    """Processes of graph_member.py; those that are left are killed at the end."""

    def __init__(self, folder, model, signature, jobs):
        self.folder, self.processes = folder, {}
        folder.mkdir()
        ports = free_ports(sum(len(tasks) for tasks in jobs.values()))
        cluster = {job: [f"127.0.0.1:{ports.pop()}" for _ in tasks] for job, tasks in jobs.items()}
        for job, tasks in jobs.items():
            for index, (columns, more) in enumerate(tasks):
                name = f"{job}{index}"
                np.savez(folder / f"{name}.batches.npz", **columns)
                task = {
                    "cluster": cluster,
                    "job": job,
                    "index": index,
                    "model": model,
                    "signature": signature,
                    "batches": str(folder / f"{name}.batches.npz"),
                    "out": str(folder / name),
                    "more": more,
                }
                (folder / f"{name}.json").write_text(json.dumps(task))
                self.start(name)

    def start(self, name):
        argv = [sys.executable, "graph_member.py", str(self.folder / f"{name}.json")]
        with open(self.folder / f"{name}.log", "w") as log:
            self.processes[name] = subprocess.Popen(
                argv, cwd=Path(__file__).parent, stdout=log, stderr=log
            )

    def result(self, name):
        """What a worker has written, and its variables."""
        status = self.processes[name].wait(timeout=300)
        assert status == 0, (self.folder / f"{name}.log").read_text()[-3000:]
        with np.load(self.folder / f"{name}.npz") as file:
            return json.loads((self.folder / name).read_text()), dict(file)

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def free_ports(count):
    """Ports that nobody listens at: held together, so that no two are the same."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def columns(rows):
    """Steps of batches as arrays [step, row, …] of some of their rows."""
    found = batches(STEPS, models.visits)
    return {name: np.stack([one[name][rows] for one in found]) for name in found[0]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Both clusters, which start together, and one member alone: {losses, …}, variables of each."""
    folder = tmp_path_factory.mktemp("clusters")
    model, arguments = models.shared()
    path = str(folder / "model")
    export_training(model, path=path, **arguments)
    half = ROWS // 2
    members = [(columns(slice(i * half, (i + 1) * half)), {"group_size": 2}) for i in range(2)]
    started = []
    try:
        reduced = Cluster(folder / "reduce", path, "train_all_reduce", {"worker": members})
        started.append(reduced)
        everything = [(columns(slice(None)), {})]
        served = Cluster(folder / "ps", path, "train", {"ps": [({}, {})] * 2, "worker": everything})
        started.append(served)
        with graph_session.Graph(path) as graph:
            alone = [graph.run("train", batch) for batch in batches(STEPS, models.visits)]
            variables = graph.variables()
        yield {
            "alone": (alone, variables),
            "reduced": [reduced.result("worker0"), reduced.result("worker1")],
            "served": served.result("worker0"),
        }
    finally:
        for one in started:
            one.end()


def assert_same_training(got, alone):
    """A worker's losses, metrics, count and variables are those of one member."""
    (results, variables), (steps, want) = got, alone
    np.testing.assert_allclose(results["losses"], [one["loss"] for one in steps], rtol=2e-4)
    np.testing.assert_allclose(results["accuracy"], [one["accuracy"] for one in steps], rtol=1e-5)
    assert results["steps"] == list(range(1, STEPS + 1))
    for name, value in want.items():
        np.testing.assert_allclose(variables[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_two_members_by_all_reduce_are_one_on_the_whole_batch(runs):
    for one in runs["reduced"]:
        assert_same_training(one, runs["alone"])


def test_a_worker_with_parameter_servers_is_one_member(runs):
    assert_same_training(runs["served"], runs["alone"])


def test_variables_and_their_updates_are_on_parameter_servers(runs):
    places = runs["served"][0]["places"]
    worker = places.pop("/job:worker/replica:0/task:0")
    assert set(places) == {f"/job:ps/replica:0/task:{i}" for i in range(2)}
    assert "VarHandleOp" not in worker and products(worker)
    assert "ResourceApplyAdam" not in worker, "Adam's moments stay on the server"
    for ops in places.values():
        assert ops["VarHandleOp"] and ops["ResourceApplyAdam"] and not products(ops)


def products(operations):
    """Those that multiply matrices, among operations; oneDNN has its own on some processors."""
    return [op for op in operations if op in ("MatMul", "_MklMatMul", "_MklNativeFusedMatMul")]


def reduced(make, members):
    """What members get of all_reduce(make(member)), each with a server in this process."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(members)]}
    config = v1.ConfigProto()
    config.experimental.collective_group_leader = LEADER
    found = [None] * members

    def member(index):
        with tf.Graph().as_default(), tf.device(f"/job:worker/task:{index}"):
            with traced_with(Members(tf.constant(members))):
                means = all_reduce(make(index))
            with v1.Session(servers[index].target, config=config) as session:
                found[index] = session.run([one for one in means if one is not None])

    servers = [
        v1.train.Server(cluster, job_name="worker", task_index=i, config=config)
        for i in range(members)
    ]
    threads = [threading.Thread(target=member, args=(i,)) for i in range(members)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    return found


@pytest.mark.parametrize("members", [2, 3])
def test_gradients_of_all_kinds_are_averaged(members):
    """Rows of sparse ones may differ in number; None stays None; each type is kept. Two members
    and more take different ways."""
    rows_of = [[1], [2, 1, 0], [3, 0]][:members]

    def make(member):
        rows = rows_of[member]
        values = np.full((len(rows), 2), 1.0 + member, np.float32)
        return [
            tf.constant([[1.0, 2.0]]) * (member + 1),
            None,
            tf.IndexedSlices(tf.constant(values), tf.constant(rows, tf.int64), tf.constant([4, 2])),
            tf.constant(3.0 * member, tf.float64),
            tf.constant([5.0 + member]),
            tf.fill(
                [GATHER_BYTES // 2], tf.cast(member, tf.float16)
            ),  # with the next one: too large to gather
            tf.fill([1], tf.cast(member, tf.float16)),
        ]

    table = np.zeros((4, 2))
    for member, rows in enumerate(rows_of):
        np.add.at(table, rows, (1.0 + member) / members)
    number = (members - 1) / 2  # the members' mean
    for dense, sparse, double, last, *large in reduced(make, members):
        np.testing.assert_allclose(dense, np.array([[1.0, 2.0]]) * (number + 1))
        got = np.zeros((4, 2))
        np.add.at(got, sparse.indices, sparse.values)
        np.testing.assert_allclose(got, table)
        assert double == 3 * number and double.dtype == np.float64
        np.testing.assert_allclose(last, [number + 5])
        np.testing.assert_allclose(np.concatenate(large), number)
