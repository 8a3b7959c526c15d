"""Write the rows of a parquet folder as TFRecords: make_tfrecords.py SOURCE TARGET.

Each record is a tf.train.Example with image (64 floats, 0..16) and label (one int64).
One file part-N.tfrecord for each parquet file, so that members can share them out.
"""

import pathlib
import sys

import pyarrow.parquet as pq
import tensorflow as tf


def example(image, label):
    features = {
        "image": tf.train.Feature(float_list=tf.train.FloatList(value=image)),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def main(source, target):
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.parquet")):
        table = pq.read_table(path)
        with tf.io.TFRecordWriter(str(target / f"{path.stem}.tfrecord")) as writer:
            for image, label in zip(table["image"], table["label"], strict=True):
                writer.write(example(image.as_py(), label.as_py()))
        print(f"{table.num_rows} digits in {target / path.stem}.tfrecord")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
