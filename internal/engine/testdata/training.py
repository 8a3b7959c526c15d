"""Makes graphs that train, batches for them, and what Python computes with both.

usage: training.py FOLDER
       training.py PATH --bench

For each graph NAME there is a SavedModel or NAME.meta, NAME.arrow with a record batch for each
step, and NAME.json with {losses, metrics, steps}: the losses of Python, the metrics of each step by
name, and the counts of updates.
"""

import functools
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../scripts"))
sys.path.insert(0, os.path.join(sys.path[0], "tests"))

import graph_models
import graph_session
import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfos.graph import export_training

v1 = tf.compat.v1
STEPS = 20
TABLE_ROWS = 40_001


def write(path, batches, results, metrics):
    """The batches, and what Python has computed with them."""

    def column(values):
        return pa.array(list(values)) if values.ndim > 1 else pa.array(values)

    tables = [pa.RecordBatch.from_pydict({k: column(v) for k, v in b.items()}) for b in batches]
    with pa.OSFile(f"{path}.arrow", "wb") as file, pa.ipc.new_file(file, tables[0].schema) as out:
        for one in tables:
            out.write_batch(one)
    found = {
        "losses": [float(one["loss"]) for one in results],
        "metrics": {name: [float(one[name]) for one in results] for name in metrics},
        "steps": [int(one.get("global_step", i + 1)) for i, one in enumerate(results)],
    }
    with open(f"{path}.json", "w") as file:
        json.dump(found, file)


def helper(path, make, columns):
    """A graph of export_training, driven in a session."""
    model, arguments = make()
    export_training(model, path=path, **arguments)
    batches = graph_models.batches(STEPS, columns)
    with graph_session.Graph(path) as graph:
        results = [graph.run("train", one) for one in batches]
        graph.save(f"{path}.end")
    write(path, batches, results, [n for n in results[0] if n != "global_step"])


class Line(tf.Module):
    """The step by hand of docs/graph-programs.md."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([[0.0]] * 6, name="weight")
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 6], tf.float32, "x"),
            tf.TensorSpec([None], tf.int64, "y"),
        ]
    )
    def train(self, x, y):
        with tf.GradientTape() as tape:
            y = tf.cast(y, tf.float32)[:, None]
            loss = tf.reduce_mean((x @ self.weight - y) ** 2)
        self.weight.assign_sub(0.1 * tape.gradient(loss, self.weight))
        return {"loss": loss, "global_step": self.global_step.assign_add(1, read_value=True)}


class KerasByHand(tf.Module):
    """A Keras model and optimizer in a module, without a count of updates."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(9)
        hidden, last = keras.layers.Dense(8, "relu"), keras.layers.Dense(3)
        self.model = keras.Sequential([keras.Input((6,)), hidden, last])
        self.optimizer = keras.optimizers.Adam(0.01)
        self.optimizer.build(self.model.trainable_variables)
        self.held = [one.value for one in self.model.variables]  # TensorFlow saves them twice

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 6], tf.float32, "x"),
            tf.TensorSpec([None], tf.int64, "y"),
        ]
    )
    def train(self, x, y):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            )
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}

    @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32, "x")])
    def predict(self, x):
        return {"logits": self.model(x)}


LOWER, UPPER = "/job:worker/task:0", "/job:worker/task:1"


class Split(tf.Module):
    """A model whose halves are on two workers, with their variables."""

    def __init__(self):
        super().__init__()
        random = tf.random.Generator.from_seed(4)
        self.first = tf.Variable(random.normal([6, 8], stddev=0.3), name="first")
        self.second = tf.Variable(random.normal([8, 3], stddev=0.3), name="second")

    def train_step(self, x, y):
        with tf.GradientTape() as tape:
            with tf.device(LOWER):
                hidden = tf.nn.relu(x @ self.first)
            with tf.device(UPPER):
                logits = hidden @ self.second
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            loss = tf.reduce_mean(losses)
        first, second = tape.gradient(loss, [self.first, self.second])
        with tf.device(LOWER):
            self.first.assign_sub(0.1 * first)
        with tf.device(UPPER):
            self.second.assign_sub(0.1 * second)
        return {"loss": loss}


def split(path):
    """A graph that needs two workers; Python runs it without its devices."""
    export_training(Split(), None, None, path, inputs=graph_models.LINE)
    meta = graph_session.read(path)
    for holder in [meta.graph_def.node, *(f.node_def for f in meta.graph_def.library.function)]:
        for node in holder:
            node.device = ""
    batches = graph_models.batches(STEPS, graph_models.classes)
    with graph_session.Graph(path, meta=meta) as graph:
        results = [graph.run("train", one) for one in batches]
    write(path, batches, results, ["loss"])


def by_hand(path, module, **signatures):
    tf.saved_model.save(module, path, signatures={"train": module.train, **signatures})
    batches = graph_models.batches(STEPS, graph_models.classes)
    train = tf.saved_model.load(path).signatures["train"]
    results = [train(**{k: tf.constant(v) for k, v in one.items()}) for one in batches]
    write(path, batches, results, ["loss"])


def tensorflow_1(path, resource, count, checkpoint):
    """A program of TensorFlow 1, in the collections of its .meta file. count: whether its train op
    counts updates."""
    with tf.Graph().as_default() as graph:
        v1.set_random_seed(3)
        x = v1.placeholder(tf.float32, [None, 6], "x")
        y = v1.placeholder(tf.int64, [None], "y")
        keep = v1.placeholder_with_default(1.0, [], "keep")
        with v1.variable_scope("net", use_resource=resource):
            start = v1.truncated_normal_initializer(stddev=0.3, seed=5)
            weight = v1.get_variable("weight", [6, 3], initializer=start)
            bias = v1.get_variable("bias", [3], initializer=v1.zeros_initializer())
        logits = tf.matmul(x * keep, weight) + bias
        v1.losses.sparse_softmax_cross_entropy(y, logits)
        v1.losses.add_loss(0.01 * tf.nn.l2_loss(weight), v1.GraphKeys.REGULARIZATION_LOSSES)
        loss = v1.losses.get_total_loss()
        step = v1.train.create_global_step()
        optimizer = v1.train.AdamOptimizer(0.02)
        train = optimizer.minimize(loss, global_step=step if count else None)
        v1.add_to_collection("train_op", train)
        saver = v1.train.Saver()
        batches = graph_models.batches(STEPS, graph_models.classes)
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            if checkpoint:
                saver.save(session, path, write_state=False)
            else:
                saver.export_meta_graph(f"{path}.meta")
            results = []
            for one in batches:
                feeds = {x: one["x"], y: one["y"]}
                results.append({"loss": session.run([loss, train], feeds)[0]})
    write(path, batches, results, ["loss"])


def base(path):
    """A Keras model with the hidden layer of graph_models.perceptron and other logits."""
    keras.utils.set_random_seed(11)
    x = keras.Input((6,))
    hidden = keras.layers.Dense(8, "relu", name="hidden")(x)
    model = keras.Model(x, keras.layers.Dense(5, name="logits")(hidden), name="base")
    model.export(path, verbose=False)
    tf.train.CheckpointManager(tf.train.Checkpoint(model=model), f"{path}d", 1).save()


def table(optimizer):
    """A model with an embedding that is large enough for two parameter servers."""
    keras.utils.set_random_seed(12)
    user = keras.Input((2,), dtype="int64", name="user")
    users = keras.layers.Embedding(TABLE_ROWS, 4, name="users")(user)
    model = keras.Model(user, keras.layers.Dense(1, name="y")(keras.layers.Flatten()(users)))
    return model, {"optimizer": optimizer, "loss": "mean_squared_error"}


def table_rows(rng, rows):
    """Users of both halves of the table, some of them often, and the rows at the ends."""
    middle = TABLE_ROWS // 2
    users = rng.choice([0, 1, middle - 1, middle, middle + 1, TABLE_ROWS - 1, -1], (rows, 2))
    users[:2] = rng.integers(0, TABLE_ROWS, (2, 2))
    return {"user": users, "y": rng.random(rows, dtype="float32")}


def bench(path):
    """A graph of an MLP, batches for it, and how many steps Python makes in a second, and
    in a second of CPU time."""
    keras.utils.set_random_seed(1)
    hidden, last = keras.layers.Dense(128, "relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((784,)), hidden, last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    export_training(model, keras.optimizers.Adam(0.001), loss, path)
    rng = np.random.default_rng(1)
    batches = [
        {"x": rng.random((128, 784), dtype="float32"), "y": rng.integers(0, 10, 128)}
        for _ in range(STEPS)
    ]
    with graph_session.Graph(path) as graph:
        signature = graph.meta.signature_def["train"]
        names = {key: one.name for key, one in signature.inputs.items()}
        fetches = [one.name for one in signature.outputs.values()]
        feeds = [{names[key]: value for key, value in one.items()} for one in batches]
        run = graph.session.make_callable(fetches, list(feeds[0]))
        for i in range(1000):
            if i == 200:
                start, used = time.perf_counter(), time.process_time()
            run(*feeds[i % STEPS].values())
        print(800 / (time.perf_counter() - start), 800 / (time.process_time() - used))
    write(path, batches, [], [])


def main(folder):
    def path(name):
        return os.path.join(folder, name)

    helper(path("mlp"), graph_models.perceptron, graph_models.classes)
    helper(path("noisy"), graph_models.noisy, graph_models.classes)
    helper(path("shared"), graph_models.shared, graph_models.visits)
    helper(path("wide"), graph_models.wide_and_deep, graph_models.ratings)
    for name, optimizer in [
        ("sgd", keras.optimizers.SGD(0.5)),
        ("adagrad", keras.optimizers.Adagrad(0.5)),
        ("adam", keras.optimizers.Adam(0.01)),
    ]:
        helper(path(f"table_{name}"), functools.partial(table, optimizer), table_rows)
    base(path("base"))
    split(path("split"))
    by_hand(path("line"), Line())
    module = KerasByHand()
    by_hand(path("keras"), module, serving_default=module.predict)
    tensorflow_1(path("ref"), resource=False, count=True, checkpoint=True)
    tensorflow_1(path("resource"), resource=True, count=True, checkpoint=False)
    tensorflow_1(path("uncounted"), resource=False, count=False, checkpoint=True)


if __name__ == "__main__":
    bench(sys.argv[1]) if "--bench" in sys.argv else main(sys.argv[1])
