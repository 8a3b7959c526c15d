"""tf.data reads TFRecords of one feature of 784 floats and parses them: rows counted."""

import glob

import peer
import tensorflow as tf


def measure(config):
    tf.config.threading.set_intra_op_parallelism_threads(config.threads)
    tf.config.threading.set_inter_op_parallelism_threads(config.threads)
    files = sorted(glob.glob(config.path + "/*.tfrecord"))
    features = {"image": tf.io.FixedLenFeature([784], tf.float32)}
    options = tf.data.Options()
    options.threading.private_threadpool_size = config.threads

    def work():
        records = tf.data.TFRecordDataset(
            files, config.compression, num_parallel_reads=config.threads
        )
        parsed = records.batch(config.batch).map(
            lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=config.threads
        )
        rows = sum(batch["image"].shape[0] for batch in parsed.prefetch(2).with_options(options))
        if rows != config.rows:
            raise ValueError(f"{rows} rows read of {config.rows}")

    return {"rates": peer.rates(work, config.rows, config.passes)}


if __name__ == "__main__":
    peer.main(measure)
