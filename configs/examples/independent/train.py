"""Members that do not talk to each other: each trains a model of its own on its own files.

Together the models are an ensemble. The same form serves any sharded work, such as scoring.
"""

import json
import os

import keras
import tensorflow as tf
from keras import layers

FEATURES = {
    "image": tf.io.FixedLenFeature([64], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def main_fun(args, ctx):
    folder = ctx.tf_path(args.input_path)
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*.tfrecord")))
    shard = files[ctx.task_index :: ctx.num_workers]
    data = tf.data.TFRecordDataset(shard).map(parse).cache()

    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(args.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    rows = data.shuffle(2000, seed=ctx.task_index).batch(args.batch_size)
    history = model.fit(rows, epochs=args.epochs, verbose=2)

    # Names with the member's index: no member writes over another's results.
    member = os.path.join(args.model_dir, f"member-{ctx.task_index}")
    tf.io.gfile.makedirs(args.model_dir)
    model.save(f"{member}.keras")
    result = {
        "files": [os.path.basename(path) for path in shard],
        "rows": sum(1 for _ in data),
        "accuracy": history.history["accuracy"][-1],
    }
    with tf.io.gfile.GFile(f"{member}.json", "w") as out:
        json.dump(result, out)


def parse(record):
    row = tf.io.parse_single_example(record, FEATURES)
    return row["image"], row["label"]


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
