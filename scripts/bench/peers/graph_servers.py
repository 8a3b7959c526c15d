"""One task of ParameterServerStrategy, by hand, on a batch that is a constant.

config: programs, rows (of a worker's batch), steps, together (steps of a call). Of the tasks only
the coordinator, whose job is chief, ends.
"""

import sys
import time

import constant_step
import peer
import tensorflow as tf

WARM_UP = 200  # steps


def measure(config):
    sys.path.insert(0, config.programs)
    import mlp

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type != "chief":
        server = tf.distribute.Server(
            resolver.cluster_spec(), resolver.task_type, resolver.task_id, "grpc"
        )
        server.join()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        replica_step = constant_step.replica_step(mlp, config.rows, 1)
    steps = constant_step.together(lambda: strategy.run(replica_step), config.together)
    take(coordinator, steps, WARM_UP // config.together)
    begin = time.perf_counter()
    take(coordinator, steps, config.steps // config.together)
    return {"rate": config.steps / (time.perf_counter() - begin)}


def take(coordinator, steps, calls):
    """Schedules so many calls, which workers take as they are free, and waits for all."""
    for _ in range(calls):
        coordinator.schedule(steps)
    coordinator.join()


if __name__ == "__main__":
    peer.main(measure)
