"""Synchronous training of a Keras 3 model: MultiWorkerMirroredStrategy and a loop of its own.

Keras 3's `fit` does not work under this strategy (keras-team/keras#20585), a loop does.
`rows` is the only function that knows who reads the data, Spark or TensorFlow.
"""

import os
import tempfile

import keras
import tensorflow as tf
from keras import layers

FEATURES = {
    "image": tf.io.FixedLenFeature([64], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def main_fun(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    global_batch = args.batch_size * strategy.num_replicas_in_sync
    with strategy.scope():
        model = build_model()
        optimizer = keras.optimizers.Adam(args.learning_rate)
        optimizer.build(model.trainable_variables)  # so that restore finds its variables
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(reduction=None)

    def replica_step(row):
        with tf.GradientTape() as tape:
            losses = cross_entropy(row["label"], model(row["image"], training=True))
            # The gradients are summed over the replicas, so each divides by all rows of the
            # step. A replica that has no more rows takes part with none.
            loss = tf.nn.compute_average_loss(losses, global_batch_size=global_batch)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    @tf.function(reduce_retracing=True)
    def train_step(row):
        return strategy.reduce("sum", strategy.run(replica_step, (row,)), axis=None)

    # Every worker restores the chief's checkpoint and every worker saves, because saving may
    # involve them all; what the others write is thrown away.
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    folder = args.model_dir if ctx.is_chief else tempfile.mkdtemp()
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3)
    checkpoint.restore(tf.train.latest_checkpoint(args.model_dir))
    step = start = int(optimizer.iterations.numpy())
    print(f"{ctx.job_name}:{ctx.task_index} starts at step {start}", flush=True)

    # The number of steps is not known beforehand: the data's end is the end, on all workers.
    for row in strategy.experimental_distribute_dataset(rows(args, ctx)):
        loss = train_step(row)
        step += 1
        if step % args.save_every == 0:
            manager.save(step)
            print(f"step {step}: loss {float(loss):.3f}", flush=True)
    if step > start and step % args.save_every:
        manager.save(step)
    print(f"{ctx.job_name}:{ctx.task_index} ends at step {step}", flush=True)


def rows(args, ctx):
    """Batches of {"image": [n, 64], "label": [n]}, for the strategy to split among replicas."""
    if args.input_mode == "spark":
        return ctx.dataset(args.batch_size)
    files = sorted(tf.io.gfile.glob(os.path.join(ctx.tf_path(args.records), "*.tfrecord")))
    data = tf.data.TFRecordDataset(files[ctx.task_index :: ctx.num_workers])
    data = data.repeat(args.epochs).batch(args.batch_size * ctx.num_workers)
    data = data.map(lambda records: tf.io.parse_example(records, FEATURES))
    options = tf.data.Options()  # the files are shared out above
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return data.with_options(options)


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


def export_fn(args, ctx):
    """The newest checkpoint as a SavedModel: once, on the chief, without the strategy."""
    model = build_model()
    checkpoint = tf.train.Checkpoint(model=model)
    checkpoint.restore(tf.train.latest_checkpoint(args.model_dir)).expect_partial()
    model.export(args.export_dir, verbose=False)
