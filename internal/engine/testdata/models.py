"""Makes the engine tests' SavedModels, their input and what Python's TensorFlow predicts.

usage: models.py FOLDER

For each model NAME: FOLDER/NAME (the SavedModel), NAME.parquet (the input) and
NAME.expected.parquet (id and outputs). Everything is drawn from one seed.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

ROWS = 1003  # divides neither by a batch nor by a row group
rng = np.random.default_rng(7)


def lists(a, value_type=None):
    """An array of rank 2 or more as nested lists."""
    return pa.array(a.tolist(), type=value_type)


def columns(value):
    value = value.numpy()
    if value.dtype == object:
        return pa.array(np.vectorize(bytes.decode, otypes=[object])(value).tolist())
    if value.dtype.name in ("bfloat16", "float16"):
        value = value.astype("float32")
    inner = pa.from_numpy_dtype(value.dtype)
    for _ in range(value.ndim - 1):
        inner = pa.list_(inner)
    return pa.array(value.tolist(), type=inner)


def save(folder, name, module, function, table, feeds):
    """feeds: alias -> numpy array, the same rows as the table's."""
    path = os.path.join(folder, name)
    tf.saved_model.save(module, path, signatures={"serving_default": function})
    write(folder, name, path, table, feeds)


def write(folder, name, path, table, feeds):
    served = tf.saved_model.load(path).signatures["serving_default"]
    out = served(**{k: tf.constant(v) for k, v in feeds.items()})
    ids = pa.array(np.arange(ROWS, dtype="int64"))
    expected = {"id": ids} | {
        k: columns(out[k]) for k in sorted(out) if out[k].shape.rank and out[k].shape[0] == ROWS
    }
    pq.write_table(pa.table({"id": ids} | table), path + ".parquet", row_group_size=217)
    pq.write_table(pa.table(expected), path + ".expected.parquet")


def mlp(folder):
    import keras

    model = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)]
    )
    path = os.path.join(folder, "mlp")
    model.export(path, verbose=False)
    x = rng.random((ROWS, 784), dtype="float32")
    alias = next(
        iter(tf.saved_model.load(path).signatures["serving_default"].structured_input_signature[1])
    )
    write(folder, "mlp", path, {"features": lists(x, pa.list_(pa.float32()))}, {alias: x})


class Cnn(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.standard_normal((3, 3, 1, 8)).astype("float32"))
        self.dense = tf.Variable(rng.standard_normal((14 * 14 * 8, 10)).astype("float32") / 40)

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="image")])
    def call(self, image):
        hidden = tf.nn.max_pool2d(
            tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "SAME")), 2, 2, "SAME"
        )
        return {"scores": tf.reshape(hidden, [-1, 14 * 14 * 8]) @ self.dense}


class Two(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="a"),
            tf.TensorSpec([None, 3], tf.int64, name="b"),
        ]
    )
    def call(self, a, b):
        return {"total": a + tf.cast(tf.reduce_sum(b, 1), tf.float32), "doubled": 2 * b}


class Text(tf.Module):
    def __init__(self):
        super().__init__()
        words = tf.lookup.KeyValueTensorInitializer(["red", "grün"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(words, -1)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="word"),
            tf.TensorSpec([None, 2], tf.string, name="pair"),
        ]
    )
    def call(self, word, pair):
        again = tf.strings.join([word, word])
        return {
            "length": tf.strings.length(word),
            "index": self.table.lookup(word),
            "again": again,
            "pairs": tf.strings.upper(pair),
        }


class Embed(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(rng.random((50, 4), dtype="float32"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="key")])
    def call(self, key):
        return {"vector": tf.gather(self.weights, key)}


class Image(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, name="image")])
    def call(self, image):
        f = tf.cast(image, tf.float32)
        mean = tf.reduce_mean(f, [1, 2, 3])
        return {
            "mean": mean,
            "bright": mean > 127,
            "corner": f[:, :2, :3, 0],
            "pixel": image[:, 0, 0, 0],
        }


SCALARS = [
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "bool",
]


def scalars_function():
    @tf.function(
        input_signature=[tf.TensorSpec([None], getattr(tf, n), name="in_" + n) for n in SCALARS]
    )
    def call(*inputs):
        out = {n: tf.identity(v) for n, v in zip(SCALARS, inputs, strict=True)}
        out["float16"] = tf.cast(inputs[SCALARS.index("float32")], tf.float16)
        out["bfloat16"] = tf.cast(inputs[SCALARS.index("float32")], tf.bfloat16)
        return out

    return call


class Ranks(tf.Module):
    """Nested and free shapes, and an output whose rank is known only when it is there."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3], tf.float32, name="steps"),
            tf.TensorSpec(None, tf.float32, name="any"),
        ]
    )
    def call(self, steps, any):
        return {"summed": tf.reduce_sum(steps, 1), "same": steps, "free": any + 1.0}


class Ragged(tf.Module):
    """Two inputs whose rows have lengths of their own, and outputs that have them too."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, name="x"),
            tf.TensorSpec([None, None, 2], tf.int64, name="pairs"),
        ]
    )
    def call(self, x, pairs):
        total = tf.cast(tf.reduce_sum(pairs, [1, 2]), tf.float32)
        return {"both": tf.reduce_sum(x, 1) + total, "doubled": 2 * x, "mean": tf.reduce_mean(x, 1)}


def ragged(folder):
    """What Python says of each row alone: one tensor cannot hold them all."""
    module = Ragged()
    path = os.path.join(folder, "ragged")
    tf.saved_model.save(module, path, signatures={"serving_default": module.call})
    served = tf.saved_model.load(path).signatures["serving_default"]
    xs = [rng.random(rng.integers(1, 5), dtype="float32") for _ in range(ROWS)]
    pairs = [rng.integers(0, 9, (rng.integers(0, 3), 2)) for _ in range(ROWS)]
    out = [
        served(x=tf.constant(x[None]), pairs=tf.constant(p[None]))
        for x, p in zip(xs, pairs, strict=True)
    ]
    ids = pa.array(np.arange(ROWS, dtype="int64"))
    floats = pa.list_(pa.float32())
    table = {
        "id": ids,
        "x": pa.array([x.tolist() for x in xs], floats),
        "pairs": pa.array([p.tolist() for p in pairs], pa.list_(pa.list_(pa.int64()))),
    }
    expected = {
        "id": ids,
        "both": pa.array([float(o["both"][0]) for o in out], pa.float32()),
        "doubled": pa.array([o["doubled"][0].numpy().tolist() for o in out], floats),
        "mean": pa.array([float(o["mean"][0]) for o in out], pa.float32()),
    }
    pq.write_table(pa.table(table), path + ".parquet", row_group_size=217)
    pq.write_table(pa.table(expected), path + ".expected.parquet")


class Fragile(tf.Module):
    """Fails over a broken image, and over an index that its table does not have."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(rng.random((50,), dtype="float32"))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="jpeg"),
            tf.TensorSpec([None], tf.int64, name="key"),
        ]
    )
    def call(self, jpeg, key):
        def size(image):
            return tf.shape(tf.io.decode_jpeg(image))[0]

        heights = tf.map_fn(size, jpeg, fn_output_signature=tf.int32)
        return {"height": heights, "value": tf.gather(self.table, key)}


def fragile(folder):
    """Rows 40, 41 and 777 are no JPEG, row 500 has no such key: expected are the others."""
    bad = [40, 41, 500, 777]
    heights = rng.integers(1, 20, ROWS)
    jpegs = [tf.io.encode_jpeg(tf.zeros((h, 2, 3), tf.uint8)).numpy() for h in heights]
    for row in (40, 41):
        jpegs[row] = b"no image"
    jpegs[777] = jpegs[777][:-40]
    keys = rng.integers(0, 50, ROWS)
    keys[500] = 50
    module = Fragile()
    path = os.path.join(folder, "fragile")
    tf.saved_model.save(module, path, signatures={"serving_default": module.call})
    ids = np.arange(ROWS, dtype="int64")
    table = {"id": pa.array(ids), "jpeg": pa.array(jpegs, pa.binary()), "key": pa.array(keys)}
    good = np.setdiff1d(ids, bad)
    values = tf.gather(module.table, keys[good]).numpy()
    expected = {"id": good, "height": heights[good].astype("int32"), "value": values}
    pq.write_table(pa.table(table), path + ".parquet", row_group_size=217)
    pq.write_table(pa.table(expected), path + ".expected.parquet")


class Batch(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def call(self, x):
        return {"y": 2 * x, "half": x[: tf.shape(x)[0] // 2], "loss": tf.reduce_sum(x)}


def graph(folder):
    """A TensorFlow 1 graph as its authors left it: trained on a cluster, two checkpoints of it with
    a .meta file (graph-checkpoints), and a SavedModel (graph) with tags and a key of its own."""
    v1 = tf.compat.v1
    table = {"x": lists(rng.random((ROWS, 4), dtype="float32"), pa.list_(pa.float32()))}
    table["word"] = (["red", "green", "blue"] * ROWS)[:ROWS]
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        word = v1.placeholder(tf.string, [None], "word")
        keep = v1.placeholder_with_default(1.0, [], "keep")
        with v1.variable_scope("dense"):
            parts = v1.fixed_size_partitioner(2)
            kernel = v1.get_variable("kernel", [4, 3], use_resource=False, partitioner=parts)
            bias = v1.get_variable("bias", [3], use_resource=True)
            hidden = tf.nn.bias_add(
                tf.matmul(x, tf.convert_to_tensor(kernel)), bias, name="BiasAdd"
            )
        words = tf.lookup.KeyValueTensorInitializer(["red", "green"], tf.constant([7, 8], tf.int64))
        number = tf.lookup.StaticHashTable(words, -1).lookup(word)
        scores = tf.nn.softmax(hidden * keep, name="scores")
        tf.identity(number, "number")
        saver = v1.train.Saver()
        at = os.path.join(folder, "graph-checkpoints")
        os.mkdir(at)
        placed = v1.train.export_meta_graph(saver_def=saver.as_saver_def())
        for node in placed.graph_def.node:
            if node.name.startswith("dense/"):
                node.device = "/job:ps/replica:0/task:0/device:CPU:0"
        for step in (1, 2):  # the second is the newest
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            saver.save(session, os.path.join(at, "model"), step, write_meta_graph=False)
            with open(os.path.join(at, f"model-{step}.meta"), "wb") as file:
                file.write(placed.SerializeToString())
        feeds = {x: np.array(table["x"].to_pylist(), "float32"), word: table["word"]}
        outputs = session.run({"hidden": hidden, "scores": scores, "number": number}, feeds)
        signature = v1.saved_model.predict_signature_def({"in": x, "w": word}, {"out": scores})
        builder = v1.saved_model.Builder(os.path.join(folder, "graph"))
        builder.add_meta_graph_and_variables(
            session,
            ["mine", "v2"],
            {"classify": signature},
            main_op=v1.tables_initializer(),
            clear_devices=True,
        )
        builder.save()
    ids = np.arange(ROWS)
    pq.write_table(pa.table({"id": ids, **table}), os.path.join(folder, "graph.parquet"))
    expected = {name: columns(tf.constant(value)) for name, value in outputs.items()}
    target = os.path.join(folder, "graph.expected.parquet")
    pq.write_table(pa.table({"id": ids, **expected}), target)
    with open(os.path.join(folder, "variables.json"), "w") as file:
        json.dump(tf.train.list_variables(at), file)


def main(folder):
    mlp(folder)

    images = rng.random((ROWS, 784), dtype="float32")
    cnn = Cnn()
    save(
        folder,
        "cnn",
        cnn,
        cnn.call,
        {"image": lists(images, pa.list_(pa.float32()))},
        {"image": images.reshape(-1, 28, 28, 1)},
    )

    a, b = rng.random(ROWS, dtype="float32"), rng.integers(-9, 9, (ROWS, 3))
    two = Two()
    save(
        folder,
        "two",
        two,
        two.call,
        {
            "a": a,
            "b": lists(b, pa.list_(pa.int64(), 3)),
            "note": pa.array([None, "x", "ü"] * 335)[:ROWS],
        },
        {"a": a, "b": b},
    )

    words = (["red", "grün", "", "none", "long" * 30] * ROWS)[:ROWS]
    text = Text()
    pairs = [[f"{i}a", f"{i}b" * (i % 20)] for i in range(ROWS)]
    feeds = {
        "word": np.array([w.encode() for w in words], dtype=object),
        "pair": np.array(pairs, dtype=object),
    }
    save(folder, "text", text, text.call, {"word": words, "pair": pairs}, feeds)

    keys = rng.integers(0, 50, ROWS)
    embed = Embed()
    save(folder, "embed", embed, embed.call, {"key": keys.astype("int32")}, {"key": keys})

    pixels = rng.integers(0, 256, (ROWS, 784)).astype("uint8")
    image = Image()
    save(
        folder,
        "image",
        image,
        image.call,
        {"pixels": lists(pixels, pa.list_(pa.uint8()))},
        {"image": pixels.reshape(-1, 28, 28, 1)},
    )

    table = {}
    for n in SCALARS:
        if n == "bool":
            table[n] = rng.random(ROWS) < 0.5
        elif n.startswith("float"):
            table[n] = rng.standard_normal(ROWS).astype(n)
        else:
            info = np.iinfo(n)
            table[n] = rng.integers(info.min, info.max, ROWS, dtype=n, endpoint=True)
    scalars = tf.Module()
    scalars.call = scalars_function()
    save(
        folder,
        "scalars",
        scalars,
        scalars.call,
        {"in_" + n: v for n, v in table.items()},
        {"in_" + n: v for n, v in table.items()},
    )

    steps, free = rng.random((ROWS, 5, 3), dtype="float32"), rng.random((ROWS, 2), dtype="float32")
    ranks = Ranks()
    save(
        folder,
        "ranks",
        ranks,
        ranks.call,
        {
            "steps": lists(steps, pa.list_(pa.list_(pa.float32()))),
            "any": lists(free, pa.list_(pa.float32())),
        },
        {"steps": steps, "any": free},
    )

    x = rng.random(ROWS, dtype="float32")
    batch = Batch()
    save(folder, "batch", batch, batch.call, {"x": x}, {"x": x})

    ragged(folder)
    fragile(folder)
    graph(folder)


if __name__ == "__main__":
    main(sys.argv[1])
