"""Makes SavedModels in the ways in which people save them, as models.py does.

usage: loading.py FOLDER
"""

import os
import sys

import keras
import models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from models import ROWS, lists, rng, write
from tensorflow.core.protobuf import saved_model_pb2

v1 = tf.compat.v1
WORDS = (["the cat sat", "a dog ran far", "cat", "", "unknown words here"] * ROWS)[:ROWS]
X = rng.random((ROWS, 4), dtype="float32")


def dense(name=None):
    """Variables of two such models of one name have the same names."""
    hidden, last = keras.layers.Dense(5, "relu", name="hidden"), keras.layers.Dense(3, name="last")
    return keras.Sequential([keras.Input((4,)), hidden, last], name=name)


def finish(folder, name, table=None, feeds=None):
    """What Python says of a saved model whose only input is x, or of these."""
    path = os.path.join(folder, name)
    if feeds is None:
        served = tf.saved_model.load(path).signatures["serving_default"]
        alias = next(iter(served.structured_input_signature[1]))
        table, feeds = {"x": lists(X, pa.list_(pa.float32()))}, {alias: X}
    write(folder, name, path, table, feeds)


class Holder(tf.Module):
    """A module of its own around models, and variables under names that clash with theirs."""

    def __init__(self, *held):
        super().__init__()
        self.scale = tf.Variable(2.0)
        self.held = list(held)
        self.shift = tf.Variable([1.0, 2.0, 3.0])

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def call(self, x):
        return {
            "y": sum(m(x) * (i + 1.0) for i, m in enumerate(self.held)) * self.scale + self.shift
        }


def keras3(folder):
    def path(name):
        return os.path.join(folder, name)

    tf.saved_model.save(dense(), path("k3_sequential"))
    finish(folder, "k3_sequential")

    fitted = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    fitted.compile("adam", "mse")
    fitted.fit(X[:64], np.tile([[0.0, 1.0]], (64, 1)), verbose=0)
    tf.saved_model.save(fitted, path("k3_fitted"))
    finish(folder, "k3_fitted")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x):
        return {"scores": fitted(x, training=False)}

    tf.saved_model.save(fitted, path("k3_signature"), signatures=serve)
    finish(folder, "k3_signature")

    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = keras.layers.Dense(6, name="shared")
    out = keras.layers.Dense(1)(keras.layers.concatenate([shared(a), shared(b)]))
    tf.saved_model.save(keras.Model([a, b], out), path("k3_shared"))
    feeds = {"inputs": X, "inputs_1": X[::-1].copy()}
    table = {name: lists(values, pa.list_(pa.float32())) for name, values in feeds.items()}
    finish(folder, "k3_shared", table, feeds)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = dense()
            self.bias = self.add_weight(shape=(3,), initializer="random_normal", name="bias")

        def call(self, x):
            return {"y": self.inner(x) + self.bias}

    own = Own()
    own(keras.Input((4,)))
    tf.saved_model.save(own, path("k3_subclassed"))
    finish(folder, "k3_subclassed")

    keras.mixed_precision.set_global_policy("mixed_float16")
    layers = [keras.layers.Dense(5, "relu"), keras.layers.Dense(2, dtype="float32")]
    mixed = keras.Sequential([keras.Input((4,), dtype="float32"), *layers])
    tf.saved_model.save(mixed, path("k3_mixed"))
    keras.mixed_precision.set_global_policy("float32")
    finish(folder, "k3_mixed")

    tf.saved_model.save(Holder(dense("same"), dense("same")), path("module_two"))
    finish(folder, "module_two")

    shards = tf.train.experimental.MaxShardSizePolicy(max_shard_size=100)
    options = tf.saved_model.SaveOptions(experimental_sharding_callback=shards)
    tf.saved_model.save(Holder(dense()), path("module_sharded"), options=options)
    finish(folder, "module_sharded")


class Text(tf.Module):
    def __init__(self):
        super().__init__()
        vectors = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=5)
        vectors.adapt(WORDS[:3])
        self.model = keras.Sequential(
            [
                keras.Input((), dtype="string"),
                vectors,
                keras.layers.Embedding(20, 4),
                keras.layers.LSTM(3),
                keras.layers.Dense(1),
            ]
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def call(self, text):
        return {"score": self.model(text)[:, 0]}


def lookups(folder):
    feeds = {"text": np.array([w.encode() for w in WORDS], dtype=object)}
    tf.saved_model.save(Text(), os.path.join(folder, "module_text"))
    finish(folder, "module_text", {"text": WORDS}, feeds)
    word = keras.Input((1,), dtype="string", name="word")
    index = keras.layers.StringLookup(vocabulary=["the cat sat", "cat"])(word)
    score = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Embedding(5, 3)(index)))
    tf.saved_model.save(keras.Model(word, score), os.path.join(folder, "k3_lookup"))
    words = np.array([[w.encode()] for w in WORDS], dtype=object)
    finish(folder, "k3_lookup", {"inputs": [[w] for w in WORDS]}, {"inputs": words})


def keras2(folder):
    import tf_keras

    layers = [tf_keras.layers.Dense(5, "relu", input_shape=(4,)), tf_keras.layers.Dense(3)]
    model = tf_keras.Sequential(layers)
    model.save(os.path.join(folder, "k2_save"), save_format="tf")
    finish(folder, "k2_save")
    tf.saved_model.save(model, os.path.join(folder, "k2_saved_model"))
    finish(folder, "k2_saved_model")


class Placed(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.random((4, 2), dtype="float32"))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def call(self, x):
        with tf.device("/device:GPU:0"):
            y = x @ self.kernel
        with tf.device("/device:TPU:1"):
            return {"y": y + 1.0, "same": x}


def tensorflow1(folder):
    """Ref and partitioned variables, devices, assets, and outputs that are inputs or one tensor."""
    path, vocabulary = os.path.join(folder, "v1_simple"), os.path.join(folder, "vocabulary.txt")
    with open(vocabulary, "w") as file:
        file.write("cat\nthe cat sat\n")
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        parts = v1.fixed_size_partitioner(2)
        kernel = v1.get_variable("kernel", [4, 3], use_resource=False, partitioner=parts)
        y = tf.matmul(x, tf.convert_to_tensor(kernel)) + v1.get_variable("bias", [3])
        text = v1.placeholder(tf.string, [None], "text")
        lines = tf.lookup.TextFileInitializer(
            vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        )
        number = tf.lookup.StaticHashTable(lines, -1).lookup(text)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        table = {"x": lists(X, pa.list_(pa.float32())), "text": WORDS}
        found = session.run([y, number], {x: X, text: WORDS})
        signature = v1.saved_model.predict_signature_def(
            {"x": x, "again": x, "text": text},
            {"y": y, "y_too": y, "number": number, "key": text, "x_out": x},
        )
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=v1.tables_initializer(),
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
        )
        builder.save()
    os.remove(vocabulary)
    place(path, "/job:ps/replica:0/task:1/device:GPU:3")
    outputs = {"y": found[0], "y_too": found[0], "number": found[1], "x_out": X}
    expected = {k: models.columns(tf.constant(v)) for k, v in outputs.items()} | {"key": WORDS}
    ids = np.arange(ROWS)
    pq.write_table(pa.table({"id": ids} | table), path + ".parquet")
    pq.write_table(pa.table({"id": ids} | expected), path + ".expected.parquet")


def place(path, device):
    """Puts every operation of a saved graph on a device."""
    saved, file = saved_model_pb2.SavedModel(), os.path.join(path, "saved_model.pb")
    with open(file, "rb") as f:
        saved.ParseFromString(f.read())
    for node in saved.meta_graphs[0].graph_def.node:
        node.device = device
    with open(file, "wb") as f:
        f.write(saved.SerializeToString())


class Many(tf.Module):
    """Outputs that need some of the inputs each."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.random((4, 2), dtype="float32"))

    @tf.function
    def inner(self, x, keep, sparse):
        return {"y": x @ self.kernel, "dropped": x * keep, "sums": tf.sparse.reduce_sum(sparse, 1)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, name="x"),
            tf.TensorSpec([], tf.float32, name="keep"),
            tf.TensorSpec([None], tf.string, name="key"),
            tf.SparseTensorSpec([None, 5], tf.float32),
        ]
    )
    def call(self, x, keep, key, sparse):
        tf.debugging.assert_less(x, 2.0)
        python = tf.numpy_function(lambda a: a, [x], tf.float32, stateful=False)
        return self.inner(x, keep, sparse) | {
            "key": key,
            "python": tf.ensure_shape(python, [None, 4]),
        }

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def python(self, x):
        return {"y": tf.ensure_shape(tf.py_function(lambda a: a, [x], tf.float32), [None, 4])}


def many(folder):
    module, path = Many(), os.path.join(folder, "many")
    signatures = {"serving_default": module.call, "python": module.python}
    tf.saved_model.save(module, path, signatures=signatures)
    ids, values = np.arange(ROWS), lists(X, pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ids, "x": values, "key": WORDS}), path + ".parquet")
    y = models.columns(tf.constant(X) @ module.kernel)
    pq.write_table(pa.table({"id": ids, "y": y, "key": WORDS}), path + ".expected.parquet")


def unset(folder):
    """A variable that no checkpoint holds: one of the graph's that the saver leaves out."""
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        saved, lost = v1.get_variable("saved", [4]), v1.get_variable("lost", [4])
        kind = v1.get_variable("lost_ref", [4], use_resource=False)
        outputs = {"good": x * saved, "bad": x * lost, "worse": x * kind}
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"x": x}, outputs)
        builder = v1.saved_model.Builder(os.path.join(folder, "unset"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, saver=v1.train.Saver([saved])
        )
        builder.save()
        good = session.run(outputs["good"], {x: X})
    ids = np.arange(ROWS)
    table = pa.table({"id": ids, "x": lists(X, pa.list_(pa.float32()))})
    pq.write_table(table, os.path.join(folder, "unset.parquet"))
    expected = pa.table({"id": ids, "good": models.columns(tf.constant(good))})
    pq.write_table(expected, os.path.join(folder, "unset.expected.parquet"))


def main(folder):
    keras3(folder)
    lookups(folder)
    keras2(folder)
    placed = Placed()
    tf.saved_model.save(placed, os.path.join(folder, "placed"), signatures=placed.call)
    finish(folder, "placed")
    many(folder)
    unset(folder)
    tensorflow1(folder)


if __name__ == "__main__":
    main(sys.argv[1])
