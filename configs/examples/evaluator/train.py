"""Two workers train together and write checkpoints; an evaluator scores each beside them.

The evaluator is no part of the training cluster: it sees the checkpoints in model_dir and the
feed `validation`, and appends one line a checkpoint to model_dir/scores.jsonl.
"""

import json
import os
import tempfile

import keras
import tensorflow as tf
from keras import layers


def main_fun(args, ctx):
    if ctx.job_name == "evaluator":
        evaluate(args, ctx)
    else:
        train(args, ctx)


def train(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # first of all that TensorFlow does
    with strategy.scope():
        model = build_model()
        optimizer = keras.optimizers.Adam(args.learning_rate)
        optimizer.build(model.trainable_variables)
        step = tf.Variable(0, dtype=tf.int64)

    global_batch = args.batch_size * strategy.num_replicas_in_sync

    @tf.function(reduce_retracing=True)
    def train_step(rows):
        def replica(rows):
            with tf.GradientTape() as tape:
                guess = model(rows["image"], training=True)
                losses = keras.losses.sparse_categorical_crossentropy(rows["label"], guess)
                # The workers' gradients are summed: each divides by the rows of all.
                loss = tf.nn.compute_average_loss(losses, global_batch_size=global_batch)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        strategy.run(replica, args=(rows,))

    # MultiWorkerMirroredStrategy saves together: every worker calls save, the chief's counts.
    folder = ctx.tf_path(args.model_dir) if ctx.is_chief else tempfile.mkdtemp()
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=None)
    checkpoint.restore(tf.train.latest_checkpoint(ctx.tf_path(args.model_dir)))

    for rows in strategy.experimental_distribute_dataset(ctx.dataset(args.batch_size)):
        train_step(rows)
        if step.assign_add(1) % args.checkpoint_steps == 0:
            manager.save(step)
    if step % args.checkpoint_steps != 0:
        manager.save(step)


def evaluate(args, ctx):
    model = build_model()
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, step=step)
    # One pass over it is one pass over all validation rows, checkpoint after checkpoint.
    rows = ctx.dataset(256, feed="validation").map(lambda row: (row["image"], row["label"]))
    folder = ctx.tf_path(args.model_dir)
    tf.io.gfile.makedirs(folder)
    path = os.path.join(folder, "scores.jsonl")
    done = scored(path)  # in an earlier run
    board = tf.summary.create_file_writer(os.path.join(folder, "validation"))
    with tf.io.gfile.GFile(path, "a") as scores, board.as_default():
        for prefix in ctx.checkpoints():  # until training has ended, the last one included
            checkpoint.restore(prefix).expect_partial()
            if int(step) in done:
                continue
            result = model.evaluate(rows, verbose=0, return_dict=True)
            for name, value in result.items():
                tf.summary.scalar(name, value, step)
            scores.write(json.dumps({"step": int(step), **result}) + "\n")
            scores.flush()
            print(f"evaluator: step {int(step)}, accuracy {result['accuracy']:.3f}", flush=True)


def scored(path):
    """The steps that have a line in the file at path."""
    if not tf.io.gfile.exists(path):
        return set()
    with tf.io.gfile.GFile(path) as lines:
        return {json.loads(line)["step"] for line in lines}


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
