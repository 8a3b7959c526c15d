"""A loop of its own with tf.train.CheckpointManager: step and total grow together."""

import time

STEPS = 40


def main_fun(args, ctx):
    import tensorflow as tf

    step = tf.Variable(0, dtype=tf.int64)
    total = tf.Variable(0.0, dtype=tf.float64)
    checkpoint = tf.train.Checkpoint(step=step, total=total)
    manager = tf.train.CheckpointManager(checkpoint, args.model_dir, max_to_keep=3)
    checkpoint.restore(manager.latest_checkpoint)
    print(f"begins at {int(step)}", flush=True)
    while int(step) < STEPS:
        step.assign_add(1)
        total.assign_add(tf.cast(step, tf.float64))
        if int(step) % 4 == 0:
            manager.save(int(step))
        if int(step) == args.hold:
            time.sleep(3600)  # the test kills it
