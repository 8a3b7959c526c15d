"""A TensorFlowOnSpark 2.2.5 program, in the manner of its examples/mnist/keras/mnist_spark.py."""


def main_fun(args, ctx):
    import numpy as np
    import tensorflow as tf
    from tensorflowonspark import TFNode, compat

    strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()

    def build_and_compile_model():
        model = tf.keras.Sequential(
            [
                tf.keras.Input((64,), name="image"),
                tf.keras.layers.Dense(128, activation="relu"),
                tf.keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            optimizer=tf.keras.optimizers.Adam(args.learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    tf_feed = TFNode.DataFeed(ctx.mgr)

    def rdd_generator():
        while not tf_feed.should_stop():
            batch = tf_feed.next_batch(1)
            if len(batch) == 0:
                return
            _, image, label = batch[0]
            yield np.array(image, np.float32), label

    ds = tf.data.Dataset.from_generator(
        rdd_generator, (tf.float32, tf.int64), (tf.TensorShape([64]), tf.TensorShape([]))
    )
    ds = ds.batch(args.batch_size * ctx.num_workers)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    ds = ds.with_options(options)

    with strategy.scope():
        model = build_and_compile_model()

    # Partitions are uneven and the workers train in step: stop before any of them runs dry.
    steps_per_epoch = args.rows // (args.batch_size * ctx.num_workers)
    model.fit(
        ds,
        epochs=args.epochs,
        steps_per_epoch=int(steps_per_epoch * 0.9),
        verbose=2,
        callbacks=[
            tf.keras.callbacks.ModelCheckpoint(
                args.model_dir + "/weights-{epoch:04d}", save_weights_only=True
            )
        ],
    )
    compat.export_saved_model(model, args.export_dir, ctx.job_name == "chief")
    tf_feed.terminate()


if __name__ == "__main__":
    import argparse

    from pyspark.sql import SparkSession
    from tensorflowonspark import TFCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--cluster_size", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--export_dir", default="export")
    parser.add_argument("--input", default="data/train")
    parser.add_argument("--learning_rate", type=float, default=0.003)
    parser.add_argument("--model_dir", default="model")
    parser.add_argument("--rows", type=int, default=1437)
    parser.add_argument("--tensorboard", action="store_true")
    args = parser.parse_args()

    spark = SparkSession.builder.appName("digits").getOrCreate()
    cluster = TFCluster.run(
        spark.sparkContext,
        main_fun,
        args,
        args.cluster_size,
        num_ps=0,
        tensorboard=args.tensorboard,
        input_mode=TFCluster.InputMode.SPARK,
        master_node="chief",
    )
    cluster.train(spark.read.parquet(args.input).rdd, args.epochs)
    cluster.shutdown()
