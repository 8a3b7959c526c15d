"""Makes the engine tests' SavedModels, their input and what Python's TensorFlow predicts.

usage: models.py FOLDER

For each model NAME: FOLDER/NAME (the SavedModel), NAME.parquet (the input) and
NAME.expected.parquet (id and outputs). Everything is drawn from one seed.
"""

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


class Batch(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def call(self, x):
        return {"y": 2 * x, "half": x[: tf.shape(x)[0] // 2], "loss": tf.reduce_sum(x)}


def main(folder):
    mlp(folder)

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


main(sys.argv[1])
