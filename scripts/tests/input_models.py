"""Makes the models of test_model_inputs.py in the folder argv[1], as a program of its own."""

import sys

import tensorflow as tf

out = sys.argv[1]
spec = tf.TensorSpec


def save(name, fn, *specs):
    class Model(tf.Module):
        @tf.function(input_signature=specs)
        def call(self, *args):
            return fn(*args)

    model = Model()
    tf.saved_model.save(model, f"{out}/{name}", signatures=model.call)


class Scalars(tf.Module):
    @tf.function(
        input_signature=[
            spec([None, 2], tf.float32, name="x"),
            spec([], tf.float32, name="keep_prob"),
            spec([], tf.bool, name="training"),
            spec([2], tf.int64, name="size"),
            spec([], tf.string, name="label"),
        ]
    )
    def call(self, x, keep_prob, training, size, label):
        y = tf.reduce_sum(x, 1) * keep_prob + tf.cast(size[0] * size[1], tf.float32)
        y += tf.where(training, 1000.0, 0.0)
        return {"y": y, "name": tf.fill([tf.shape(x)[0]], label)}


scalars = Scalars()
tf.saved_model.save(scalars, f"{out}/scalars", signatures=scalars.call)


class Fixed(tf.Module):
    # y depends on the batch's other rows, z does not.
    @tf.function(input_signature=[spec([4, 2], tf.float32, name="x")])
    def batch(self, x):
        tf.debugging.assert_less(x, 900.0)
        y = tf.reduce_sum(x, 1)
        return {"y": y - tf.reduce_mean(y), "z": y}

    @tf.function(input_signature=[spec([1, None, 3], tf.float32, name="x")])
    def one(self, x):
        return {"sum": tf.reduce_sum(x, [1, 2]), "rows": x * 2}


fixed = Fixed()
tf.saved_model.save(fixed, f"{out}/fixed", signatures={"batch": fixed.batch, "one": fixed.one})


class Parts(tf.Module):
    @tf.function(
        input_signature=[
            tf.RaggedTensorSpec([None, None], tf.float32),
            spec([None], tf.float32, name="bias"),
        ]
    )
    def ragged(self, tokens, bias):
        return {"y": tf.reduce_sum(tokens, 1) + bias, "n": tokens.row_lengths()}

    @tf.function(
        input_signature=[tf.RaggedTensorSpec([None, None, None, 2], tf.int64, 2, tf.int32)]
    )
    def deep(self, tokens):
        return {"y": tf.reduce_sum(tokens.with_row_splits_dtype(tf.int64), [1, 2])}

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None, None], tf.float32, 1)])
    def open(self, tokens):
        return {"y": tf.reduce_sum(tf.reduce_sum(tokens, -1), 1)}

    @tf.function(input_signature=[tf.SparseTensorSpec([None, 4], tf.float32)])
    def sparse(self, s):
        return {"y": tf.sparse.reduce_sum(s, 1)}


parts = Parts()
tf.saved_model.save(
    parts,
    f"{out}/parts",
    signatures={name: getattr(parts, name) for name in ("ragged", "deep", "open", "sparse")},
)


class Texts(tf.Module):
    @tf.function(input_signature=[spec([None], tf.string, name="examples")])
    def parse(self, examples):
        found = tf.io.parse_example(examples, {"a": tf.io.FixedLenFeature([], tf.float32)})
        return {"y": found["a"] * 2}

    @tf.function(input_signature=[spec([None], tf.uint8, name="shade")])
    def png(self, shade):
        def image(v):
            return tf.io.encode_png(tf.fill([2, 2, 1], v))

        return {"image": tf.map_fn(image, shade, fn_output_signature=tf.string)}


texts = Texts()
tf.saved_model.save(texts, f"{out}/texts", signatures={"parse": texts.parse, "png": texts.png})


class Numbers(tf.Module):
    @tf.function(input_signature=[spec([None, 2], tf.float32, name="x")])
    def single(self, x):
        return {"y": x}

    @tf.function(input_signature=[spec([None], tf.float16, name="x")])
    def half(self, x):
        return {"y": x}

    @tf.function(input_signature=[spec([None], tf.bfloat16, name="x")])
    def brain(self, x):
        return {"y": x}


numbers = Numbers()
tf.saved_model.save(
    numbers,
    f"{out}/numbers",
    signatures={"single": numbers.single, "half": numbers.half, "brain": numbers.brain},
)

v1 = tf.compat.v1
with v1.Graph().as_default(), v1.Session() as session:
    x = v1.placeholder(tf.float32, [None, 2], "x")
    keep = v1.placeholder_with_default(0.5, [], "keep_prob")
    y = tf.multiply(tf.reduce_sum(x, 1), keep, "y")
    v1.saved_model.simple_save(session, f"{out}/default", {"x": x, "keep_prob": keep}, {"y": y})
with v1.Graph().as_default(), v1.Session() as session:
    s = v1.sparse_placeholder(tf.float32, [None, 4], "s")
    y = v1.sparse.reduce_sum(s, 1)
    v1.saved_model.simple_save(session, f"{out}/sparse1", {"s": s}, {"y": y})

writer = tf.io.TFRecordWriter(f"{out}/examples.tfrecord")
for i in range(50):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[i]))
    example = tf.train.Example(features=tf.train.Features(feature={"a": feature}))
    writer.write(example.SerializeToString())
writer.close()
