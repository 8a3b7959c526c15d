"""A program in the manner of Kubeflow's TFJob examples: parameter servers, on digits.

train.py --data_path FOLDER --saved_model_dir FOLDER [--epochs N] [--batch_size N]
"""

import argparse
import glob
import os

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf


def load_data(path):
    tables = [pq.read_table(file) for file in sorted(glob.glob(os.path.join(path, "*.parquet")))]
    images = np.concatenate([np.array(t["image"].to_pylist(), np.float32) for t in tables])
    return images, np.concatenate([t["label"].to_numpy() for t in tables])


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


def main(args):
    # Lost workers and parameter servers are reported to the coordinator.
    os.environ["GRPC_FAIL_FAST"] = "use_caller"
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type in ("worker", "ps"):
        server = tf.distribute.Server(
            resolver.cluster_spec(),
            job_name=resolver.task_type,
            task_index=resolver.task_id,
            protocol=resolver.rpc_layer or "grpc",
            start=True,
        )
        server.join()

    strategy = tf.distribute.ParameterServerStrategy(resolver)
    rows = tf.data.Dataset.from_tensor_slices(load_data(args.data_path))
    with strategy.scope():
        model = build_model()
    steps = 1437 // args.batch_size
    rows = rows.shuffle(2000).repeat().batch(args.batch_size)
    model.fit(rows, epochs=args.epochs, steps_per_epoch=steps, verbose=2)
    model.save(args.saved_model_dir)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_path", required=True)
    parser.add_argument("--saved_model_dir", required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=32)
    main(parser.parse_args())
