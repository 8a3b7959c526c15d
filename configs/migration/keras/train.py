"""A plain Keras script, one machine: train.py DATA EXPORT. docs/migration.md brings it to tfos."""

import sys

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

data, export = sys.argv[1:]


def build_model():
    model = tf.keras.Sequential(
        [
            tf.keras.Input((64,), name="image"),
            tf.keras.layers.Rescaling(1 / 16),
            tf.keras.layers.Dense(128, activation="relu"),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model = build_model()
table = pq.read_table(data)
images, labels = np.array(table["image"].to_pylist(), np.float32), table["label"].to_numpy()
rows = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(2000).batch(32)
model.fit(rows, epochs=12, verbose=2)
model.export(export)
