"""The least Spark application on two executors: seconds from its SparkContext to its end."""

import time

import peer


def measure(config):
    context = peer.spark(config.master).sparkContext
    ready = time.perf_counter()
    if context.parallelize(range(config.rows), 2).count() != config.rows:
        raise ValueError("rows were lost")
    context.stop()
    return {"seconds": time.perf_counter() - ready}


if __name__ == "__main__":
    peer.main(measure)
