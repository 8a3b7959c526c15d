"""A graph program on one batch that is always there: steps that wait for nothing but TensorFlow.

config: graph, signature, features, batch, threads, passes, seconds (of a pass). A pass is
measured in two ways, of which the faster counts: `constant`, the batch is a constant of the graph;
`fed`, it is an array that each step is given. Told are rows per second, and µs of CPU of a row.
"""

import pathlib
import time

import numpy as np
import peer
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

v1 = tf.compat.v1
WARM_UP = 100  # steps


def measure(config):
    found = [measured(config, way) for way in (constant, fed)]
    return max(found, key=lambda one: max(one["rates"]))


def measured(config, way):
    """One way to give the batch: rows per second of each pass, and CPU of a row."""
    # Operations run in TensorFlow's own threads. In the caller's they compute with denormals, which
    # Adam's moments become where gradients are zero, and are slower by half after 3,000 steps.
    settings = v1.ConfigProto(
        intra_op_parallelism_threads=config.threads, inter_op_parallelism_threads=config.threads
    )
    with v1.Session(graph=tf.Graph(), config=settings) as session, session.graph.as_default():
        step = way(session, config, batch(config))
        for _ in range(WARM_UP):
            step()
        before, used = step()["global_step"], time.process_time()
        found = [rate(step, config) for _ in range(config.passes)]
        used = time.process_time() - used
        steps = sum(steps for steps, _ in found)
        if step()["global_step"] != before + steps + 1:
            raise ValueError("a call was no update")
    cpu = used / (steps * config.batch) * 1e6
    return {"way": way.__name__, "rates": [rate for _, rate in found], "cpu_us": cpu}


def rate(step, config):
    """(steps, rows per second) of one pass."""
    begin, steps = time.perf_counter(), 0
    while (seconds := time.perf_counter() - begin) < config.seconds:
        step()
        steps += 1
    return steps, steps * config.batch / seconds


def constant(session, config, columns):
    """step() whose batch is part of the graph."""
    meta = read(config.graph)
    inputs, fetches = ends(meta, config.signature)
    tensors = {inputs[column]: tf.constant(values) for column, values in columns.items()}
    tf.import_graph_def(meta.graph_def, name="", input_map=tensors)
    restore(session, meta, config.graph)
    return session.make_callable(fetches)


def fed(session, config, columns):
    """step() that is given the batch each time."""
    meta = read(config.graph)
    inputs, fetches = ends(meta, config.signature)
    tf.import_graph_def(meta.graph_def, name="")
    restore(session, meta, config.graph)
    feeds = [session.graph.get_tensor_by_name(inputs[column]) for column in columns]
    run = session.make_callable(fetches, feeds)
    return lambda: run(*columns.values())


def read(path):
    """The MetaGraphDef of a SavedModel."""
    data = pathlib.Path(path, "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(data).meta_graphs[0]


def ends(meta, name):
    """The tensors of a signature: (inputs, outputs), each by name."""
    signature = meta.signature_def[name]
    return tuple(
        {key: one.name for key, one in side.items()}
        for side in (signature.inputs, signature.outputs)
    )


def restore(session, meta, path):
    prefix = str(pathlib.Path(path, "variables", "variables"))
    session.run(meta.saver_def.restore_op_name, {meta.saver_def.filename_tensor_name: prefix})
    session.run(list(ends(meta, "__saved_model_init_op")[1].values()))


def batch(config):
    random = np.random.default_rng(0)
    images = random.random((config.batch, config.features), np.float32)
    return {"image": images, "label": random.integers(0, 10, config.batch)}


if __name__ == "__main__":
    peer.main(measure)
