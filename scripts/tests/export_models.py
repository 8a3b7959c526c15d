"""Makes models to export, each with inputs and what Python TensorFlow predicts for them.

usage: export_models.py FOLDER
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

ROWS = 5
X = np.random.default_rng(1).random((ROWS, 4), np.float32)
WORDS = ["cat", "dog", "a cow", "", "cat"]


def save(folder, name, **arrays):
    np.savez(folder / f"{name}.npz", **arrays)


def words(folder):
    path = folder / "words.txt"
    path.write_text("cat\ndog\n")
    return str(path)


def tensorflow1(folder):
    """A graph with devices of a cluster, ref and resource variables, Adam and a table of a file."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        key = v1.placeholder(tf.string, [None], name="key")
        rate = v1.placeholder_with_default(0.0, [], name="rate")
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                words(folder), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )  # fmt: skip
        with v1.variable_scope("dense"):
            w = v1.get_variable("w", [4, 3], use_resource=False)
            b = v1.get_variable("b", [3], use_resource=True)
        y = tf.add(tf.nn.dropout(x, rate=rate) @ w, b, name="y")
        tf.identity(table.lookup(key), name="id")
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(y**2), global_step=step)
        saver = v1.train.Saver()
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        for _ in range(3):
            session.run(train, {x: X})
        saver.save(session, str(folder / "tf1" / "model.ckpt"), step)
        got = session.run({"y": "y:0", "id": "id:0"}, {x: X, key: WORDS})
        save(folder, "tf1", **got)
        session.run(train, {x: X})
        newest = saver.save(session, str(folder / "tf1" / "model.ckpt"), step)
        pathlib.Path(newest + ".data-00000-of-00001").unlink()  # half a checkpoint
    meta = folder / "tf1" / "model.ckpt-3.meta"
    graph = v1.MetaGraphDef.FromString(meta.read_bytes())
    for node in graph.graph_def.node:
        if node.op in ("VariableV2", "VarHandleOp"):
            node.device = "/job:ps/task:0"
    meta.write_bytes(graph.SerializeToString())


class Scorer(tf.Module):
    def __init__(self, file):
        super().__init__()
        self.w = tf.Variable(tf.random.normal([4, 2], seed=1))
        self.layers = [tf.Variable(tf.ones([2])), tf.Variable(tf.zeros([2]))]
        init = tf.lookup.TextFileInitializer(
            file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
        )  # fmt: skip
        self.table = tf.lookup.StaticHashTable(init, -1)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, "x"),
            tf.TensorSpec([None], tf.string, "key"),
        ]
    )
    def score(self, x, key):
        y = tf.tanh(x @ self.w) * self.layers[0] + self.layers[1]
        return {"y": y, "id": self.table.lookup(key)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "records")])
    def parse(self, records):
        features = {"x": tf.io.FixedLenFeature([4], tf.float32)}
        return {"y": tf.io.parse_example(records, features)["x"] @ self.w}


def module(folder):
    """A SavedModel with two signatures and a table, and a later checkpoint of its program."""
    m = Scorer(words(folder))
    signatures = {"serving_default": m.score, "parse": m.parse}
    tf.saved_model.save(m, str(folder / "module"), signatures=signatures)
    save(folder, "module", **{k: v.numpy() for k, v in m.score(X, tf.constant(WORDS)).items()})
    m.w.assign_add(tf.ones_like(m.w))
    m.layers[1].assign([5.0, 6.0])
    tf.train.Checkpoint(model=m, step=tf.Variable(7)).save(str(folder / "module_checkpoint" / "c"))
    save(
        folder,
        "module_checkpoint",
        **{k: v.numpy() for k, v in m.score(X, tf.constant(WORDS)).items()},
    )
    twin = Scorer(words(folder))
    tf.train.Checkpoint(one=m, two=twin).save(str(folder / "twins" / "c"))
    m.w = tf.Variable(tf.zeros([4, 3]))
    m.layers = [tf.Variable(tf.ones([2]))]
    tf.train.Checkpoint(model=m).save(str(folder / "other" / "c"))


def keras3(folder):
    """A Keras 3 export, and a later checkpoint of the model with its optimiser."""
    inputs = keras.Input((4,), name="x")
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, "relu", name="hidden")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.BatchNormalization()(hidden)))
    model.compile("adam", "mse")
    model.export(folder / "keras", verbose=False)
    save(folder, "keras", y=model(X).numpy())
    model.fit(X, np.ones((ROWS, 3), np.float32), epochs=3, verbose=0)
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(
        str(folder / "keras_checkpoint" / "c")
    )
    save(folder, "keras_checkpoint", y=model(X).numpy())
    model.save(folder / "keras.keras")
    model.save(folder / "keras.h5")
    code = keras.Sequential([inputs, keras.layers.Lambda(lambda x: x * 3)])
    code.save(folder / "code.keras")
    code.save(folder / "code.h5")
    save(folder, "code", y=X * 3)


def frozen(folder):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        tf.multiply(x, 2.0, name="y")
    (folder / "frozen.pb").write_bytes(graph.as_graph_def(add_shapes=True).SerializeToString())
    save(folder, "frozen", y=X * 2)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for make in (tensorflow1, module, keras3, frozen):
        make(folder)
