"""Writes the ids that each step of MultiWorkerMirroredStrategy had on this worker, a line a step.

args.datasets: `from_batches` (experimental_distribute_dataset: the strategy splits the batch of
all workers) or `from_function` (distribute_datasets_from_function: every worker its own batch).
"""

import os

import tensorflow as tf


def main_fun(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    @tf.function(reduce_retracing=True)
    def train_step(rows):
        def replica(ids):
            together = tf.distribute.get_replica_context()
            return ids, together.all_reduce("SUM", tf.size(ids))  # waits for the other worker

        return strategy.run(replica, args=(rows["id"],))

    def own_rows(_):
        return ctx.dataset(args.batch_size, per_worker=True)

    if args.datasets == "from_function":
        rows = strategy.distribute_datasets_from_function(own_rows)
    else:
        rows = strategy.experimental_distribute_dataset(ctx.dataset(args.batch_size))
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, f"steps-{ctx.task_index}.txt"), "w") as out:
        for batch in rows:
            (ids,) = strategy.experimental_local_results(train_step(batch)[0])
            print(*ids.numpy(), file=out)
