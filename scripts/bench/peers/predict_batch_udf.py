"""predict_batch_udf: parquet -> a model in Spark's Python workers -> parquet."""

import peer


def measure(config):
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import ArrayType, FloatType

    model = config.model

    def load():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        loaded = tf.saved_model.load(model)
        function = loaded.signatures["serving_default"]
        (name,) = function.structured_input_signature[1]
        (output,) = function.structured_outputs

        def predict(images):
            assert loaded  # a signature does not keep its model
            return function(**{name: tf.constant(images)})[output].numpy()

        return predict

    session = peer.spark(config.master, spark_driver_memory="6g")
    udf = predict_batch_udf(
        load,
        return_type=ArrayType(FloatType()),
        batch_size=config.batch,
        input_tensor_shapes=[[784]],
    )
    frame = session.read.parquet(config.path)

    def work():
        frame.select(udf("image").alias("scores")).write.mode("overwrite").parquet("predictions")

    found = peer.measured(work, config.rows, config.passes)
    written = session.read.parquet("predictions").count()
    if written != config.rows:
        raise ValueError(f"{written} predictions of {config.rows}")
    session.stop()
    return found


if __name__ == "__main__":
    peer.main(measure)
