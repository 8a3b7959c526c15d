"""tf.Module with signatures: what TensorFlow 2 users write without Keras."""

import os

import numpy as np
import tensorflow as tf

from zoo.case import ROWS, Case, floats, rng, way, words

X = tf.TensorSpec([None, 4], tf.float32, name="x")


def save(at, function, *spec, **held):
    """A module with one signature; held are its attributes, such as variables and tables."""
    module = tf.Module()
    for name, value in held.items():
        setattr(module, name, value)
    module.serve = tf.function(function, input_signature=spec)
    tf.saved_model.save(module, at, signatures=module.serve)


@way("`tf.Module` with variables")
def module(at):
    w = tf.Variable(rng.standard_normal((4, 3)).astype("f4"), name="w")
    save(at, lambda x: {"y": x @ w}, X, w=w)
    return Case({"x": floats(4)})


@way("several signatures, none of them `serving_default`")
def several_signatures(at):
    module = tf.Module()
    module.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[X])
    module.half = tf.function(lambda x: {"y": x / 2}, input_signature=[X])
    tf.saved_model.save(module, at, signatures={"half": module.half, "double": module.double})
    return Case({"x": floats(4)}, signature="double")


@way("hash table")
def hash_table(at):
    pairs = tf.lookup.KeyValueTensorInitializer(["red", "green"], tf.constant([7, 8], tf.int64))
    table = tf.lookup.StaticHashTable(pairs, -1)
    spec = tf.TensorSpec([None], tf.string, name="word")
    save(at, lambda word: {"number": table.lookup(word)}, spec, table=table)
    return Case({"word": words("red", "green", "grün")})


@way("vocabulary file among the assets")
def vocabulary(at):
    file = at + ".txt"
    with open(file, "w") as out:
        out.write("red\ngreen\n")
    pairs = tf.lookup.TextFileInitializer(
        file,
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    table = tf.lookup.StaticVocabularyTable(pairs, 2)
    spec = tf.TensorSpec([None], tf.string, name="word")
    save(at, lambda word: {"number": table.lookup(word)}, spec, table=table)
    os.remove(file)
    return Case({"word": words("red", "green", "other")})


@way("string operations")
def string_operations(at):
    def serve(text):
        parts = tf.strings.split(text, " ")
        return {
            "upper": tf.strings.upper(text),
            "words": tf.cast(parts.row_lengths(), tf.int32),
            "first": tf.strings.substr(text, 0, 1),
            "hash": tf.strings.to_hash_bucket_fast(text, 1000),
        }

    save(at, serve, tf.TensorSpec([None], tf.string, name="text"))
    return Case({"text": words("two words", "one", "now three words")})


@way("ragged tensors inside, dense outside")
def ragged_inside(at):
    def serve(text):
        parts = tf.strings.split(text, ",")
        numbers = tf.ragged.map_flat_values(tf.strings.to_number, parts)
        return {"sum": tf.reduce_sum(numbers, 1), "padded": numbers.to_tensor(shape=[None, 4])}

    save(at, serve, tf.TensorSpec([None], tf.string, name="text"))
    return Case({"text": words("1,2", "3", "1,2,3,4")})


@way("input that is also an output (key pass-through)")
def key_pass_through(at):
    spec = tf.TensorSpec([None], tf.string, name="key")
    save(at, lambda x, key: {"key": key, "y": tf.reduce_sum(x, 1)}, X, spec)
    return Case({"x": floats(4), "key": words("k1", "k2", "k3")})


@way("one tensor under two outputs")
def two_names(at):
    def serve(x):
        y = 2 * x
        return {"y": y, "again": y}

    save(at, serve, X)
    return Case({"x": floats(4)})


@way("batch dimension fixed at 1")
def fixed_one(at):
    spec = tf.TensorSpec([1, 2, 2], tf.float32, name="image")
    save(at, lambda image: {"mean": tf.reduce_mean(image, [1, 2])}, spec)
    x = floats(2, 2)
    return Case({"image": x}, outputs={"mean": x.mean((1, 2))})


@way("batch dimension fixed at 8")
def fixed_eight(at):
    save(at, lambda x: {"y": 3 * x}, tf.TensorSpec([8, 2], tf.float32, name="x"))
    x = floats(2)
    return Case({"x": x}, outputs={"y": 3 * x})


@way("batch dimension fixed at 8, the last batch padded")
def fixed_padded(at):
    save(at, lambda x: {"y": 3 * x}, tf.TensorSpec([8, 2], tf.float32, name="x"))
    x = floats(2)[:21]
    return Case({"x": x}, outputs={"y": 3 * x}, job={"pad_last_batch": True})


@way("device strings of a GPU")
def gpu_device(at):
    def serve(x):
        with tf.device("/device:GPU:0"):
            return {"y": tf.nn.relu(x - 0.5)}

    save(at, serve, X)
    return Case({"x": floats(4)})


@way("PNG images in, as bytes")
def decode_png(at):
    kernel = tf.Variable(rng.standard_normal((3, 3, 3, 2)).astype("f4"))

    def decode(png):
        pixels = tf.io.decode_png(png, channels=3)
        return tf.image.resize(tf.cast(pixels, tf.float32) / 255, [6, 6])

    def serve(png):
        images = tf.map_fn(decode, png, fn_output_signature=tf.float32)
        return {"y": tf.reduce_mean(tf.nn.conv2d(images, kernel, 1, "SAME"), [1, 2])}

    save(at, serve, tf.TensorSpec([None], tf.string, name="png"), kernel=kernel)
    pixels = rng.integers(0, 256, (ROWS, 8, 8, 3)).astype("uint8")
    return Case({"png": np.array([tf.io.encode_png(p).numpy() for p in pixels], dtype=object)})


@way("PNG images out, as bytes")
def encode_png(at):
    def serve(pixels):
        return {"png": tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)}

    save(at, serve, tf.TensorSpec([None, 4, 4, 3], tf.uint8, name="pixels"))
    return Case({"pixels": rng.integers(0, 256, (ROWS, 4, 4, 3)).astype("uint8")})


@way("half precision outputs (float16, bfloat16)")
def half(at):
    save(at, lambda x: {"h": tf.cast(x, tf.float16), "b": tf.cast(x, tf.bfloat16)}, X)
    return Case({"x": floats(4)})


@way("int8 input")
def int8(at):
    spec = tf.TensorSpec([None, 3], tf.int8, name="q")
    save(at, lambda q: {"y": (tf.cast(q, tf.float32) + 4) * 0.25, "q8": q // 2}, spec)
    return Case({"q": rng.integers(-128, 128, (ROWS, 3)).astype("int8")})


@way("every integer type and bool")
def integers(at):
    names = ["int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
    spec = [tf.TensorSpec([None], name, name=name) for name in names]
    save(at, lambda *given: dict(zip(["o_" + n for n in names], given, strict=True)), *spec)
    return Case({name: rng.integers(0, 2, ROWS).astype(name) for name in names})


@way("outputs of unknown rank")
def unknown_rank(at):
    def serve(x):
        return {"y": tf.ensure_shape(unranked(x), None)}

    def unranked(x):
        shape = tf.cond(
            tf.reduce_sum(x) > -1, lambda: tf.constant([-1, 2, 2]), lambda: tf.constant([-1])
        )
        return tf.reshape(x, shape)

    save(at, serve, X)
    return Case({"x": floats(4)})


@way("a loss, one value for the whole batch, beside outputs of rows")
def scalar_output(at):
    save(at, lambda x: {"y": 2 * x, "loss": tf.reduce_sum(x)}, X)
    return Case({"x": floats(4)})


@way("control flow: `tf.while_loop`, `tf.cond`, `tf.map_fn`")
def control_flow(at):
    def serve(x):
        total = tf.while_loop(
            lambda i, s: i < 3, lambda i, s: (i + 1, s + x), [0, tf.zeros_like(x)]
        )
        rows = tf.map_fn(lambda row: tf.cond(row[0] > 0.5, lambda: row, lambda: -row), x)
        return {"total": total[1], "rows": rows}

    save(at, serve, X)
    return Case({"x": floats(4)})


@way("an input that no output uses")
def unused_input(at):
    scalar = tf.TensorSpec([], tf.float32, name="rate")
    save(at, lambda x, rate: {"y": 2 * x}, X, scalar)
    return Case({"x": floats(4)}, unused={"rate": 1.0})


@way("names that YAML must quote")
def quoted_names(at):
    spec = [tf.TensorSpec([None], tf.float32, name=n) for n in ("yes", "null", "n")]
    save(
        at, lambda yes, null, n: {"no": yes + 1, "1": null + n, "on": n, "a: b": yes, "#": n}, *spec
    )
    return Case({n: floats() for n in ("yes", "null", "n")})


@way("ragged input")
def ragged_input(at):
    spec = tf.RaggedTensorSpec([None, None], tf.float32, ragged_rank=1)
    save(at, lambda r: {"sum": tf.reduce_sum(r, 1), "n": r.row_lengths()}, spec)
    rows = [[float(i)] * (i % 4) for i in range(ROWS)]
    sums, lengths = np.array([sum(r) for r in rows], "f4"), np.array([len(r) for r in rows])
    return Case({"r": rows}, outputs={"sum": sums, "n": lengths})


@way("saved as saved_model.pbtxt")
def pbtxt(at):
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    module(at)
    saved = saved_model_pb2.SavedModel()
    file = os.path.join(at, "saved_model.pb")
    with open(file, "rb") as raw:
        saved.ParseFromString(raw.read())
    os.remove(file)
    with open(file + "txt", "w") as out:
        out.write(text_format.MessageToString(saved))
    return Case({"x": floats(4)})


@way("tensorflow_text operations")
def tensorflow_text(at):
    import tensorflow_text as text

    vocabulary = tf.lookup.KeyValueTensorInitializer(
        ["good", "film", "bad", "##s", "[UNK]"], tf.range(5, dtype=tf.int64)
    )
    table = tf.lookup.StaticVocabularyTable(vocabulary, 1)
    tokenizer = text.BertTokenizer(table, lower_case=True)

    def serve(sentence):
        tokens = tokenizer.tokenize(sentence).merge_dims(1, -1)
        return {"ids": tokens.to_tensor(-1, shape=[None, 5]), "n": tokens.row_lengths()}

    spec = tf.TensorSpec([None], tf.string, name="sentence")
    save(at, serve, spec, table=table, tokenizer=tokenizer)
    return Case({"sentence": words("Good films", "bad film", "good")})


@way("`EXAMPLES: string[-1]`, serialized tf.Example (TFX, estimators)")
def examples(at):
    features = {"a": tf.io.FixedLenFeature([], tf.float32), "b": tf.io.VarLenFeature(tf.int64)}

    def serve(examples):
        parsed = tf.io.parse_example(examples, features)
        return {"a": 2 * parsed["a"], "b": tf.sparse.reduce_sum(parsed["b"], 1)}

    save(at, serve, tf.TensorSpec([None], tf.string, name="examples"))
    return Case({"examples": serialized()})


def serialized():
    """tf.Examples of a float and a list of integers."""
    feature, rows = tf.train.Feature, []
    for i in range(ROWS):
        both = {
            "a": feature(float_list=tf.train.FloatList(value=[i / 4])),
            "b": feature(int64_list=tf.train.Int64List(value=range(i % 3))),
        }
        example = tf.train.Example(features=tf.train.Features(feature=both))
        rows.append(example.SerializeToString())
    return np.array(rows, dtype=object)


def save_factor(at, factor):
    save(at, lambda x: {"y": factor * x}, X, factor=factor)


@way("a folder of versions: the highest one")
def versions(at):
    for number, factor in (("1", 10.0), ("9", 2.0), ("10", 3.0)):
        save_factor(os.path.join(at, number), tf.Variable(factor))
    return Case({"x": floats(4)}, saved="10")


@way("the file saved_model.pb itself")
def the_file(at):
    module(at)
    return Case({"x": floats(4)}, path="saved_model.pb", saved="")


@way("TF-Hub's cache: a folder of a hash's name, with its description beside it")
def hub_cache(at):
    name = "8f2c3d9b1e5a7c604f9a2b7d6e1c8a5b3d0f4e2c"
    module(os.path.join(at, name))
    with open(os.path.join(at, name + ".descriptor.txt"), "w") as out:
        out.write("Module: https://tfhub.dev/google/mine/1\nDownload Time: 2026-01-01\n")
    return Case({"x": floats(4)}, path=name)
