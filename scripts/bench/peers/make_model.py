"""A SavedModel with one input and the output output_0. Only its speed matters.

config.kind: mlp (784-128-10), cnn (two convolutions of 3 x 3 on 28 x 28, 16 and 32 channels),
both with random weights; first (of 784 values, the first); length (of binary cells); large (500 MB
of variables, a matrix product with each).
"""

import keras
import peer
import tensorflow as tf
from keras import layers


def measure(config):
    if config.kind in EXPORTS:
        EXPORTS[config.kind](config)
        return {}
    image = keras.Input((784,), name=config.input)
    hidden = {"mlp": mlp, "cnn": cnn}[config.kind](image)
    keras.Model(image, layers.Dense(10)(hidden)).export(config.model, verbose=False)
    return {}


def mlp(image):
    return layers.Dense(128, "relu")(image)


def cnn(image):
    x = layers.Reshape((28, 28, 1))(image)
    for channels in (16, 32):
        x = layers.MaxPooling2D()(layers.Conv2D(channels, 3, activation="relu")(x))
    return layers.Flatten()(x)


def export_first(config):
    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, config.input)])
    def first(image):
        return {"output_0": image[:, 0]}

    module = tf.Module()
    module.first = first
    tf.saved_model.save(module, config.model, {"serving_default": first})


def export_length(config):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, config.input)])
    def length(cells):
        return {"output_0": tf.strings.length(cells)}

    module = tf.Module()
    module.length = length
    tf.saved_model.save(module, config.model, {"serving_default": length})


def export_large(config):
    random, side = tf.random.Generator.from_seed(1), 3_536  # 10 x 50 MB of float32
    module = tf.Module()
    module.matrices = [tf.Variable(random.normal((side, side))) for _ in range(10)]

    @tf.function(input_signature=[tf.TensorSpec([None, side], tf.float32, config.input)])
    def through(x):
        for matrix in module.matrices:
            x = x @ matrix
        return {"output_0": x}

    module.through = through
    tf.saved_model.save(module, config.model, {"serving_default": through})


EXPORTS = {"first": export_first, "length": export_length, "large": export_large}


if __name__ == "__main__":
    peer.main(measure)
