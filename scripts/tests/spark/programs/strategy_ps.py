"""Trains through ParameterServerStrategy and writes the ids that came back from the steps.

<model_dir>/rows-0.txt: the ids, one a line; sum.txt: their sum by the parameter server's variable
"""

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
        total = tf.Variable(0, dtype=tf.int64)

    @tf.function(reduce_retracing=True)
    def train_step(ids):
        total.assign_add(tf.reduce_sum(ids))
        return tf.identity(ids)

    steps = [
        coordinator.schedule(train_step, args=(batch["id"],))
        for batch in ctx.dataset(args.batch_size)
    ]
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, "rows-0.txt"), "w") as out:
        for ids in coordinator.fetch(steps):
            print(*ids, sep="\n", file=out)
    with open(os.path.join(args.model_dir, "sum.txt"), "w") as out:
        out.write(str(total.numpy()))
