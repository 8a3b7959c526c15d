"""TensorFlowOnSpark's TFModel: cached rows -> the MLP -> parquet."""

import peer


def measure(config):
    from tensorflowonspark import pipeline

    session = peer.spark(config.master, spark_executor_memory="4g", spark_task_maxFailures="1")
    frame = session.read.parquet(config.path).limit(config.rows).repartition(2).cache()
    if frame.count() != config.rows:
        raise ValueError(f"the input has less than {config.rows} rows")
    model = (
        pipeline.TFModel({})
        .setInputMapping({"image": config.input})
        .setOutputMapping({"output_0": "scores"})
        .setExportDir(config.model)
        .setSignatureDefKey("serving_default")
        .setTagSet("serve")
        .setBatchSize(config.batch)
    )

    def work():
        model.transform(frame).write.mode("overwrite").parquet("predictions")

    found = peer.measured(work, config.rows, config.passes)
    session.stop()
    return found


if __name__ == "__main__":
    peer.main(measure)
