"""TensorFlow writes the image column of a folder of parquet as TFRecords of tf.Example."""

import glob
import pathlib

import numpy as np
import peer
import pyarrow.parquet as pq
import tensorflow as tf


def measure(config):
    for path in sorted(glob.glob(config.path + "/*.parquet")):
        target = pathlib.Path(config.out, pathlib.Path(path).stem + ".tfrecord")
        with tf.io.TFRecordWriter(str(target), config.compression) as writer:
            for batch in pq.ParquetFile(path).iter_batches(columns=["image"]):
                column = batch.column(0)
                for image in np.asarray(column.flatten()).reshape(len(column), -1):
                    values = tf.train.Feature(float_list=tf.train.FloatList(value=image))
                    example = tf.train.Example(
                        features=tf.train.Features(feature={"image": values})
                    )
                    writer.write(example.SerializeToString())
    return {}


if __name__ == "__main__":
    peer.main(measure)
