"""Transfer learning: exports a graph that begins with layers of another model.

usage: make_model.py DATA FOLDER

FOLDER/pretrained is a SavedModel as Keras exports it. It has learned from the digits of DATA
whether they are odd. FOLDER/graph has the same two layers, of which it trains the second, and
another output: which digit it is. Its own first values are random. The job's init_from has it
begin with those of FOLDER/pretrained.
"""

import os
import sys

import keras
import numpy as np
import pyarrow.parquet as pq
from keras import layers
from tfos.graph import export_training


def build_model(outputs):
    image = keras.Input((64,), name="image")
    hidden = layers.Dense(128, activation="relu", name="first")(layers.Rescaling(1 / 16)(image))
    hidden = layers.Dense(64, activation="relu", name="second")(hidden)
    return keras.Model(image, outputs(hidden))


def pretrain(data, path):
    rows = pq.read_table(data)
    images, labels = np.stack(rows["image"].to_numpy()), rows["label"].to_numpy()
    model = build_model(layers.Dense(1, activation="sigmoid", name="odd"))
    model.compile("adam", "binary_crossentropy")
    model.fit(images, labels % 2, batch_size=32, epochs=12, verbose=0)
    model.export(path, verbose=False)


def main(data, folder):
    keras.utils.set_random_seed(1)
    pretrain(data, os.path.join(folder, "pretrained"))
    model = build_model(layers.Dense(10, activation="softmax", name="probabilities"))
    model.get_layer("first").trainable = False
    export_training(
        model,
        keras.optimizers.Adam(0.003),
        "sparse_categorical_crossentropy",
        os.path.join(folder, "graph"),
        metrics=["accuracy"],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
