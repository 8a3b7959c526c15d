"""Exports a network whose halves are on two workers, as a graph that trains.

usage: make_model.py FOLDER

Each half has its layers, its gradients and its optimizer under tf.device. Its variables are
therefore on the same worker. Activations and gradients go from worker to worker.
"""

import sys

import keras
import tensorflow as tf
from keras import layers
from tfos.graph import export_training

LOWER, UPPER = "/job:worker/task:0", "/job:worker/task:1"


class SplitModel(tf.Module):
    def __init__(self):
        super().__init__()
        self.lower = keras.Sequential(
            [
                keras.Input((64,)),
                layers.Rescaling(1 / 16),
                layers.Dense(128, activation="relu", name="first"),
            ],
            name="lower",
        )
        self.upper = keras.Sequential(
            [
                keras.Input((128,)),
                layers.Dense(64, activation="relu", name="second"),
                layers.Dense(10, activation="softmax", name="last"),
            ],
            name="upper",
        )
        self.optimizers = []
        for half in (self.lower, self.upper):
            optimizer = keras.optimizers.Adam(0.003, name=f"{half.name}_adam")
            optimizer.build(half.trainable_variables)
            self.optimizers.append(optimizer)

    def predict_step(self, image):
        with tf.device(LOWER):
            hidden = self.lower(image)
        with tf.device(UPPER):
            return {"probabilities": self.upper(hidden)}

    def evaluate_step(self, image, label):
        return self._score(label, self.predict_step(image)["probabilities"])

    def train_step(self, image, label):
        with tf.device(LOWER), tf.GradientTape() as lower_tape:
            hidden = self.lower(image)
        with tf.device(UPPER):
            with tf.GradientTape() as upper_tape:
                upper_tape.watch(hidden)
                outputs = self._score(label, self.upper(hidden))
            variables = self.upper.trainable_variables
            gradients, below = upper_tape.gradient(outputs["loss"], (variables, hidden))
            self.optimizers[1].apply_gradients(zip(gradients, variables, strict=True))
        with tf.device(LOWER):
            variables = self.lower.trainable_variables
            gradients = lower_tape.gradient(hidden, variables, below)
            self.optimizers[0].apply_gradients(zip(gradients, variables, strict=True))
        return outputs

    def _score(self, label, probabilities):
        with tf.device(UPPER):
            loss = keras.losses.sparse_categorical_crossentropy(label, probabilities)
            right = tf.equal(tf.argmax(probabilities, axis=1), label)
            return {
                "loss": tf.reduce_mean(loss),
                "accuracy": tf.reduce_mean(tf.cast(right, tf.float32)),
            }


def main(folder):
    keras.utils.set_random_seed(1)
    inputs = {
        "image": tf.TensorSpec([None, 64], tf.float32),
        "label": tf.TensorSpec([None], tf.int64),
    }
    export_training(SplitModel(), None, None, folder, inputs=inputs)


if __name__ == "__main__":
    main(sys.argv[1])
