"""Synchronous training of an MLP 784-128-10 under MultiWorkerMirroredStrategy, timed.

`mirrored.py FOLDER STEPS`: a script that knows its place from TF_CONFIG only, so that it runs
the same by hand and under tfos. 128 rows a worker and step, from memory; SGD; the loop is one
tf.function a step. Writes FOLDER/worker-<index>.json: steps per second after the warm-up, the
last loss, and what the speed depends on (threads, versions).
"""

import json
import os
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

ROWS = 128  # per worker and step
BATCHES = 80  # 32 MB of rows, over and over
WARM_UP = 100  # steps; the first ones trace the function and connect the workers
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def main(folder, steps):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((784,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)]
        )
        optimizer = keras.optimizers.SGD(0.1)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def replica_step(images, labels):
        with tf.GradientTape() as tape:
            losses = entropy(labels, model(images, training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=ROWS * replicas)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function
    def train_step(images, labels):
        return strategy.reduce("sum", strategy.run(replica_step, (images, labels)), axis=None)

    batches = iter(strategy.distribute_datasets_from_function(rows))
    for _ in range(WARM_UP):
        loss = train_step(*next(batches))
    loss.numpy()
    begin = time.perf_counter()
    for _ in range(steps):
        loss = train_step(*next(batches))
    loss = float(loss)  # the last step has ended
    seconds = time.perf_counter() - begin

    result = {
        "steps_per_second": steps / seconds,
        "replicas": replicas,
        "loss": loss,
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    pathlib.Path(folder, f"worker-{index}.json").write_text(json.dumps(result))


def rows(context):
    """Batches of (images [128, 784], labels [128]), other ones on each worker."""
    random = np.random.default_rng(context.input_pipeline_id)
    images = random.random((BATCHES, ROWS, 784), np.float32)
    labels = images[..., :10].argmax(-1)
    return tf.data.Dataset.from_tensor_slices((images, labels)).repeat().prefetch(2)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
