"""Exports a convolutional network for handwritten digits as a graph that trains.

usage: make_model.py FOLDER
"""

import sys

import keras
from keras import layers
from tfos.graph import export_training


def build_model():
    image = keras.Input((64,), name="image")
    picture = layers.Reshape((8, 8, 1))(layers.Rescaling(1 / 16)(image))
    edges = layers.Conv2D(16, 3, padding="same", activation="relu", name="edges")(picture)
    shapes = layers.Conv2D(32, 3, activation="relu", name="shapes")(layers.MaxPooling2D()(edges))
    outputs = layers.Dense(10, activation="softmax", name="probabilities")
    return keras.Model(image, outputs(layers.Flatten()(shapes)))


def main(folder):
    keras.utils.set_random_seed(1)
    export_training(
        build_model(),
        keras.optimizers.Adam(0.005),
        "sparse_categorical_crossentropy",
        folder,
        metrics=["accuracy"],
    )


if __name__ == "__main__":
    main(sys.argv[1])
