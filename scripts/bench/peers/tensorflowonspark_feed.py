"""TensorFlowOnSpark feeds rows to two nodes, whose programs take batches and drop them."""

import peer


def main_fun(args, ctx):
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        feed.next_batch(args["batch"])


def measure(config):
    from tensorflowonspark import TFCluster

    session = peer.spark(config.master, spark_executor_memory="4g", spark_task_maxFailures="1")
    rows = session.read.parquet(config.path).limit(config.rows).repartition(2).cache()
    if rows.count() != config.rows:
        raise ValueError(f"the input has less than {config.rows} rows")
    plain = rows.rdd.map(lambda row: row[0])
    cluster = TFCluster.run(
        session.sparkContext,
        main_fun,
        {"batch": config.batch},
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
