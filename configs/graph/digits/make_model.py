"""Exports a network for handwritten digits as a graph that trains.

usage: make_model.py FOLDER
"""

import sys

import keras
from keras import layers
from tfos.graph import export_training


def build_model():
    image = keras.Input((64,), name="image")
    scaled = layers.Rescaling(1 / 16)(image)
    hidden = layers.Dense(128, activation="relu", name="first")(scaled)
    hidden = layers.Dense(64, activation="relu", name="second")(hidden)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="probabilities")(hidden))


def main(folder):
    keras.utils.set_random_seed(1)
    export_training(
        build_model(),
        keras.optimizers.Adam(0.003),
        "sparse_categorical_crossentropy",
        folder,
        metrics=["accuracy"],
    )


if __name__ == "__main__":
    main(sys.argv[1])
