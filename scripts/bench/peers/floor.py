"""A model on rows in memory, and on rows that pyarrow reads first: what inference cannot exceed.

config.read: whether reading belongs to the pass. TensorFlow computes on one thread a CPU.
"""

import glob
import threading

import numpy as np
import peer
import pyarrow.parquet as pq
import tensorflow as tf


def measure(config):
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(config.threads)
    predict = signature(config.model)
    files = sorted(glob.glob(config.path + "/*.parquet"))
    rows = None if config.read else images(files)

    def work():
        x = images(files) if rows is None else rows
        shares = np.array_split(x, config.threads)
        threads = [threading.Thread(target=run, args=(predict, s, config.batch)) for s in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return peer.measured(work, config.rows, config.passes)


def signature(model):
    """The model's serving_default: images [n, 784] -> scores, as numpy."""
    loaded = tf.saved_model.load(model)
    function = loaded.signatures["serving_default"]
    (name,) = function.structured_input_signature[1]
    (output,) = function.structured_outputs

    def predict(x):
        return function(**{name: tf.constant(x)})[output].numpy()

    predict.model = loaded  # a signature does not keep its model
    return predict


def run(predict, x, batch):
    for at in range(0, len(x), batch):
        predict(x[at : at + batch])


def images(files):
    chunks = [c for f in files for c in pq.read_table(f, columns=["image"])["image"].chunks]
    return np.concatenate([np.asarray(c.flatten()).reshape(len(c), -1) for c in chunks])


if __name__ == "__main__":
    peer.main(measure)
