"""TensorFlowOnSpark feeds rows to two nodes, whose programs take them and drop them.

config.consumer: next_batch, of its DataFeed; or dataset, a tf.data.Dataset made of that as in
TensorFlowOnSpark's own examples (examples/mnist/keras/mnist_spark.py), row by row.
"""

import peer


def main_fun(args, ctx):
    feed = ctx.get_data_feed()
    if args["consumer"] == "dataset":
        for _ in dataset(feed, args):
            pass
        return
    while not feed.should_stop():
        feed.next_batch(args["batch"])


def dataset(feed, args):
    import numpy as np
    import tensorflow as tf

    def rows():
        while not feed.should_stop():
            batch = feed.next_batch(1)
            if not batch:
                return
            yield np.array(batch[0], np.float32)

    made = tf.data.Dataset.from_generator(rows, tf.float32, tf.TensorShape([args["width"]]))
    return made.batch(args["batch"])


def measure(config):
    from tensorflowonspark import TFCluster

    session = peer.spark(config.master, spark_executor_memory="4g", spark_task_maxFailures="1")
    part = session.read.parquet(config.path).limit(config.rows).repartition(2)
    part.write.parquet("input")  # below the folder of this process
    rows = session.read.parquet("input")
    if rows.count() != config.rows:
        raise ValueError(f"the input has less than {config.rows} rows")
    plain = rows.rdd.map(lambda row: row[0])
    args = {"batch": config.batch, "consumer": config.consumer, "width": len(rows.first()[0])}
    cluster = TFCluster.run(
        session.sparkContext,
        main_fun,
        args,
        2,
        0,
        input_mode=TFCluster.InputMode.SPARK,
    )
    found = peer.rates(lambda: cluster.train(plain, 1), config.rows, config.passes)
    cluster.shutdown()
    session.stop()
    return {"rates": found}


if __name__ == "__main__":
    peer.main(measure)
