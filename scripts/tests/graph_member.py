"""One member of a TensorFlow cluster that trains an exported graph, as tfos-engine would.

usage: python graph_member.py TASK.json

The task: {cluster, job, index, model, signature, batches, out, more}. A parameter server serves
until it is killed. A worker trains on the batches of a .npz, and writes {losses, steps, places}
to out, and the variables beside it. places: operations by type for each device.
"""

import collections
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import graph_session
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
LEADER = "/job:worker/replica:0/task:0"


def main(path):
    with open(path) as file:
        task = json.load(file)
    config = v1.ConfigProto()
    config.experimental.collective_group_leader = LEADER
    server = v1.train.Server(
        task["cluster"], job_name=task["job"], task_index=task["index"], config=config
    )
    if task["job"] == "ps":
        server.join()
    worker = f"/job:worker/task:{task['index']}"
    servers = len(task["cluster"].get("ps", []))
    names = []

    def device_of(name):
        """Parameter servers in turn."""
        if not servers:
            return worker
        if name not in names:
            names.append(name)
        return f"/job:ps/task:{names.index(name) % servers}"

    meta = graph_session.read(task["model"])
    graph_session.place(meta.graph_def, device_of, worker)
    with np.load(task["batches"]) as file:
        columns = dict(file)
    steps = len(next(iter(columns.values())))
    options = v1.RunOptions(output_partition_graphs=True)
    seen = v1.RunMetadata()
    results = []
    with graph_session.Graph(
        task["model"], target=server.target, config=config, meta=meta
    ) as graph:
        for i in range(steps):
            batch = {name: column[i] for name, column in columns.items()} | task["more"]
            more = {"options": options, "run_metadata": seen} if i == 0 else {}
            results.append(graph.run(task["signature"], batch, **more))
        np.savez(task["out"] + ".npz", **graph.variables())
    places = {
        one.node[0].device.removesuffix("/device:CPU:0"): collections.Counter(
            node.op for node in one.node
        )
        for one in seen.partition_graphs
    }
    found = {
        "losses": [float(one["loss"]) for one in results],
        "accuracy": [float(one["accuracy"]) for one in results],
        "steps": [int(one["global_step"]) for one in results],
        "places": places,
    }
    with open(task["out"] + ".tmp", "w") as file:
        json.dump(found, file)
    os.rename(task["out"] + ".tmp", task["out"])


if __name__ == "__main__":
    main(sys.argv[1])
