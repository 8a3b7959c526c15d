"""ParameterServerStrategy with tf.train.CheckpointManager: step and total grow together, on the
parameter server. args.options: how it saves; "chief": on the chief's host."""

import json
import os

import tensorflow as tf


def main_fun(args, ctx):
    if ctx.job_name != "chief":
        ctx.start_cluster_server()[1].join()
    strategy = tf.distribute.ParameterServerStrategy(
        tf.distribute.cluster_resolver.TFConfigClusterResolver()
    )
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        step = tf.Variable(0, dtype=tf.int64)
        total = tf.Variable(0, dtype=tf.int64)

    @tf.function
    def train_step():
        total.assign_add(step.assign_add(1))

    options = None
    if args.options == "chief":
        options = tf.train.CheckpointOptions(experimental_io_device="/job:chief/task:0")
    checkpoint = tf.train.Checkpoint(step=step, total=total)
    manager = tf.train.CheckpointManager(checkpoint, args.model_dir, max_to_keep=2)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint, options=options)
    first = int(step.numpy())
    for _ in range(5):
        coordinator.schedule(train_step)
        coordinator.join()
        manager.save(int(step.numpy()), options=options)
    told = {"first": first, "step": int(step.numpy()), "total": int(total.numpy())}
    with open(os.path.join(args.model_dir, f"run-{args.attempt}.json"), "w") as out:
        json.dump(told, out)
