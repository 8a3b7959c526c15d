"""One worker of MultiWorkerMirroredStrategy, by hand, on a batch that is a constant.

config: programs, rows (of a worker's batch), steps, together (steps of a call), workers.
"""

import sys
import time

import constant_step
import peer
import tensorflow as tf

WARM_UP = 100  # steps


def measure(config):
    sys.path.insert(0, config.programs)
    import mlp

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if strategy.num_replicas_in_sync != config.workers:
        raise ValueError(f"{strategy.num_replicas_in_sync} replicas")
    with strategy.scope():
        replica_step = constant_step.replica_step(mlp, config.rows, config.workers)

    def step():
        return strategy.reduce("sum", strategy.run(replica_step), axis=None)

    steps = constant_step.together(step, config.together)
    for _ in range(WARM_UP // config.together):
        loss = steps()
    float(loss)
    begin = time.perf_counter()
    for _ in range(config.steps // config.together):
        loss = steps()
    float(loss)  # the last step has ended
    return {"rate": config.steps / (time.perf_counter() - begin)}


if __name__ == "__main__":
    peer.main(measure)
