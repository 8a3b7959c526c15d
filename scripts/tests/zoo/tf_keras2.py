"""Keras 2 (tf_keras), as models of TensorFlow before 2.16 were saved."""

import tensorflow as tf
import tf_keras
from tf_keras import layers

from zoo.case import Case, floats, way, words


def sequential():
    return tf_keras.Sequential([layers.Dense(8, "relu", input_shape=(4,)), layers.Dense(3)])


@way('Keras 2 `model.save(…, save_format="tf")`')
def keras2_save(at):
    model = sequential()
    model.compile("adam", "mse")
    model.fit(floats(4), floats(3), verbose=0)
    model.save(at, save_format="tf")
    return Case({"dense_input": floats(4)})


@way("Keras 2 `tf.saved_model.save`")
def keras2_saved_model(at):
    x = tf_keras.Input((4,), name="x")
    tf.saved_model.save(tf_keras.Model(x, layers.Dense(3, name="scores")(x)), at)
    return Case({"x": floats(4)})


@way("Keras 2 `model.export`")
def keras2_export(at):
    model = sequential()
    model.export(at)
    return Case({"dense_input": floats(4)})


@way("Keras 2 TextVectorization, BatchNormalization and LSTM, `model.save`")
def keras2_text(at):
    vectorize = layers.TextVectorization(50, output_sequence_length=6)
    vectorize.adapt(["a good film", "bad"])
    text = tf_keras.Input((1,), dtype=tf.string, name="text")
    x = layers.LSTM(3)(layers.Embedding(50, 4)(vectorize(text)))
    model = tf_keras.Model(text, layers.Dense(1, name="score")(layers.BatchNormalization()(x)))
    model.save(at, save_format="tf")
    return Case({"text": words("a good film", "bad", "neither")[:, None]})
