"""TensorFlowOnSpark feeds 100 rows to two nodes: seconds from its SparkContext to its end."""

import time

import peer


def main_fun(args, ctx):
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        feed.next_batch(args["batch"])


def measure(config):
    from tensorflowonspark import TFCluster

    context = peer.spark(
        config.master, spark_executor_memory="4g", spark_task_maxFailures="1"
    ).sparkContext
    ready = time.perf_counter()
    rows = context.parallelize([[float(i)] for i in range(config.rows)], 2)
    spark_fed = TFCluster.InputMode.SPARK
    cluster = TFCluster.run(context, main_fun, {"batch": 10}, 2, 0, input_mode=spark_fed)
    cluster.train(rows, 1)
    cluster.shutdown()
    context.stop()
    return {"seconds": time.perf_counter() - ready}


if __name__ == "__main__":
    peer.main(measure)
