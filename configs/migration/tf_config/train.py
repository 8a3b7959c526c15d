"""The script of TensorFlow's tutorial "Multi-worker training with Keras", on digits.

train.py RECORDS MODEL: reads TFRecords, TF_CONFIG says which worker this is.
"""

import json
import os
import sys

import tensorflow as tf

FEATURES = {
    "image": tf.io.FixedLenFeature([64], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}
records, model_path = sys.argv[1:]

per_worker_batch_size = 32
tf_config = json.loads(os.environ["TF_CONFIG"])
num_workers = len(tf_config["cluster"]["worker"])
task_type, task_id = tf_config["task"]["type"], tf_config["task"]["index"]


def digits_dataset(batch_size):
    files = tf.data.Dataset.list_files(os.path.join(records, "*.tfrecord"), shuffle=False)
    rows = tf.data.TFRecordDataset(files).map(parse)  # sharded by file: AutoShardPolicy.AUTO
    return rows.shuffle(2000).repeat().batch(batch_size)


def parse(record):
    row = tf.io.parse_single_example(record, FEATURES)
    return row["image"], row["label"]


def build_and_compile_model():
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


def write_filepath(filepath):
    """filepath on the chief, a temporary one on the others: every worker has to save."""
    if task_type == "chief" or (task_type == "worker" and task_id == 0):
        return filepath
    folder = os.path.join(os.path.dirname(filepath), f"workertemp_{task_id}")
    tf.io.gfile.makedirs(folder)
    return os.path.join(folder, os.path.basename(filepath))


strategy = tf.distribute.MultiWorkerMirroredStrategy()
multi_worker_dataset = digits_dataset(per_worker_batch_size * num_workers)
with strategy.scope():
    multi_worker_model = build_and_compile_model()
multi_worker_model.fit(multi_worker_dataset, epochs=6, steps_per_epoch=22, verbose=2)

write_model_path = write_filepath(model_path)
multi_worker_model.save(write_model_path)
if write_model_path != model_path:
    tf.io.gfile.rmtree(os.path.dirname(write_model_path))
