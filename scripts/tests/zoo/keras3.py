"""Keras 3: model.export, tf.saved_model.save, modules that hold a model."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.case import ROWS, Case, floats, rng, way, words


def sequential():
    return keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(3)])


def two_in_two_out():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    both = layers.Concatenate()([layers.Dense(3)(a), b])
    outputs = {"sum": layers.Dense(1)(both), "class": layers.Dense(5, "softmax")(both)}
    return keras.Model([a, b], outputs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = layers.Dense(8, "relu"), layers.Dense(3)

    def call(self, x):
        return self.last(self.first(x))


@way("`model.export`, sequential")
def export_sequential(at):
    sequential().export(at, verbose=False)
    return Case({"keras_tensor": floats(4)})


@way("`model.export`, functional, several inputs and outputs")
def export_functional(at):
    two_in_two_out().export(at, verbose=False)
    return Case({"a": floats(4), "b": floats(2)})


@way("`model.export`, subclassed")
def export_subclassed(at):
    model, x = Subclassed(), floats(4)
    model(x)
    model.export(at, verbose=False)
    return Case({"x": x})


@way("`tf.saved_model.save(model)`, sequential")
def save_sequential(at):
    tf.saved_model.save(sequential(), at)
    return Case({"keras_tensor": floats(4)})


@way("`tf.saved_model.save(model)`, functional, several inputs and outputs")
def save_functional(at):
    tf.saved_model.save(two_in_two_out(), at)
    return Case({"inputs": floats(4), "inputs_1": floats(2)})


@way("`tf.saved_model.save(model)`, subclassed")
def save_subclassed(at):
    model, x = Subclassed(), floats(4)
    model(x)
    tf.saved_model.save(model, at)
    return Case({"x": x})


@way("`tf.saved_model.save(model, signatures=…)`")
def save_signatures(at):
    model = sequential()

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="features")])
    def serve(features):
        return {"scores": tf.nn.softmax(model(features)), "best": tf.argmax(model(features), 1)}

    tf.saved_model.save(model, at, signatures=serve)
    return Case({"features": floats(4)})


@way("`tf.saved_model.save(model)` after `fit`, with its optimizer")
def save_trained(at):
    model = sequential()
    model.compile("adam", "mse")
    model.fit(floats(4), floats(3), verbose=0)
    tf.saved_model.save(model, at)
    return Case({"keras_tensor": floats(4)})


class Holder(tf.Module):
    """A module whose models are saved with it."""

    def __init__(self, **models):
        super().__init__()
        for name, model in models.items():
            setattr(self, name, model)


@way("`tf.Module` that holds a Keras model")
def module_of_model(at):
    module = Holder(net=sequential())
    spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
    module.serve = tf.function(lambda x: {"y": module.net(x)}, input_signature=spec)
    tf.saved_model.save(module, at, signatures=module.serve)
    return Case({"x": floats(4)})


@way("`tf.Module` that holds two Keras models with one layer in both")
def module_of_two(at):
    shared = layers.Dense(4)
    models = [keras.Sequential([keras.Input((4,)), shared, layers.Dense(2)]) for _ in range(2)]
    module = Holder(one=models[0], two=models[1])
    spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
    module.serve = tf.function(
        lambda x: {"one": module.one(x), "two": module.two(x)}, input_signature=spec
    )
    tf.saved_model.save(module, at, signatures=module.serve)
    return Case({"x": floats(4)})


TEXTS = words("a good film", "bad", "", "good good and not so bad", "unknown words")


def vectorized(net):
    """TextVectorization before a network, in one module."""
    vectorize = layers.TextVectorization(50, output_sequence_length=6)
    vectorize.adapt(TEXTS[:4])
    module = Holder(vectorize=vectorize, net=net)
    spec = [tf.TensorSpec([None], tf.string, name="text")]
    module.serve = tf.function(
        lambda text: {"score": module.net(module.vectorize(text))}, input_signature=spec
    )
    return module


@way("TextVectorization and an LSTM in a `tf.Module`")
def text_lstm(at):
    net = keras.Sequential(
        [keras.Input((6,), dtype="int64"), layers.Embedding(50, 4), layers.LSTM(5), layers.Dense(1)]
    )
    module = vectorized(net)
    tf.saved_model.save(module, at, signatures=module.serve)
    return Case({"text": TEXTS})


def looked_up():
    colour = keras.Input((1,), dtype="string", name="colour")
    number = layers.StringLookup(vocabulary=["red", "green", "blue"])(colour)
    hot = layers.CategoryEncoding(4, output_mode="multi_hot")(number)
    return keras.Model(colour, layers.Dense(2)(hot))


@way("StringLookup, `model.export`")
def lookup_export(at):
    looked_up().export(at, verbose=False)
    return Case({"colour": words("red", "blue", "none")[:, None]})


@way("StringLookup, `tf.saved_model.save`")
def lookup_save(at):
    tf.saved_model.save(looked_up(), at)
    return Case({"colour": words("red", "blue", "none")[:, None]})


@way("Embedding of integer ids")
def embedding(at):
    ids = keras.Input((3,), dtype="int32", name="ids")
    model = keras.Model(ids, layers.Flatten()(layers.Embedding(20, 4)(ids)))
    model.export(at, verbose=False)
    return Case({"ids": rng.integers(0, 20, (ROWS, 3)).astype("int32")})


@way("BatchNormalization and Dropout")
def batch_norm(at):
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5)])
    model.compile("sgd", "mse")
    model.fit(5 + floats(4), floats(4), verbose=0)
    model.export(at, verbose=False)
    return Case({"keras_tensor": floats(4)})


@way("`training` as an input of the signature")
def training_input(at):
    net = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    module = Holder(net=net)
    module.serve = tf.function(
        lambda x, training: {
            "y": tf.cond(training, lambda: net(x, training=True), lambda: net(x, training=False))
        },
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, name="x"),
            tf.TensorSpec([], tf.bool, name="training"),
        ],
    )
    tf.saved_model.save(module, at, signatures=module.serve)
    return Case({"x": floats(4)}, constants={"training": False})


@way("Normalization after `adapt`")
def normalization(at):
    scale = layers.Normalization()
    scale.adapt(10 * floats(4))
    model = keras.Sequential([keras.Input((4,)), scale, layers.Dense(2)])
    model.export(at, verbose=False)
    return Case({"keras_tensor": 10 * floats(4)})


@way("mixed precision (`mixed_bfloat16`)")
def mixed_precision(at):
    x = keras.Input((4,), name="x")
    hidden = layers.Dense(8, "relu", dtype="mixed_bfloat16")(x)
    model = keras.Model(x, {"half": hidden, "y": layers.Dense(2, dtype="float32")(hidden)})
    tf.saved_model.save(model, at)
    return Case({"x": floats(4)})


@way("LSTM, GRU and Bidirectional")
def recurrent(at):
    steps = keras.Input((5, 3), name="steps")
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(steps)
    keras.Model(steps, layers.GRU(2)(both)).export(at, verbose=False)
    return Case({"steps": floats(5, 3)})


@way("sequences of any length")
def any_length(at):
    steps = keras.Input((None, 3), name="steps")
    keras.Model(steps, layers.LSTM(2)(steps)).export(at, verbose=False)
    return Case({"steps": floats(5, 3)})


@way("`ExportArchive` with several endpoints")
def export_archive(at):
    model = sequential()
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = [keras.InputSpec(shape=(None, 4), dtype="float32", name="x")]
    archive.add_endpoint("scores", lambda x: model(x), input_signature=spec)
    archive.add_endpoint("classes", lambda x: tf.argmax(model(x), 1), input_signature=spec)
    archive.write_out(at, verbose=False)
    return Case({"x": floats(4)})


@way("a list of outputs")
def list_of_outputs(at):
    x = keras.Input((4,), name="x")
    a, b, c = layers.Dense(1)(x), layers.Dense(2)(x), layers.Dense(3)(x)
    keras.Model(x, [a, b, c]).export(at, verbose=False)
    return Case({"x": floats(4)})


@way("saved under `MirroredStrategy`")
def mirrored(at):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = sequential()
    tf.saved_model.save(model, at)
    return Case({"keras_tensor": floats(4)})


@way("attention and layer normalization")
def attention(at):
    x = keras.Input((4, 6), name="x")
    y = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 3)(x, x))
    tf.saved_model.save(keras.Model(x, layers.GlobalAveragePooling1D()(y)), at)
    return Case({"x": floats(4, 6)})


@way("images: Rescaling, Conv2D, pooling, from uint8 pixels")
def uint8_images(at):
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(pixels))
    keras.Model(pixels, layers.Dense(2)(layers.GlobalMaxPooling2D()(x))).export(at, verbose=False)
    return Case({"pixels": rng.integers(0, 256, (ROWS, 8, 8, 3)).astype("uint8")})


@way("float64 model")
def double(at):
    x = keras.Input((4,), dtype="float64", name="x")
    keras.Model(x, layers.Dense(2, dtype="float64")(x)).export(at, verbose=False)
    return Case({"x": rng.random((ROWS, 4)).astype(np.float64)})
