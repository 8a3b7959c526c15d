"""Asynchronous training with TensorFlow 2's ParameterServerStrategy, fed by Spark.

The chief hands batches to the workers; each works at its own pace on the variables that the
parameter servers hold. Workers and parameter servers only serve.
"""

import keras
import tensorflow as tf
from keras import layers


def main_fun(args, ctx):
    if ctx.job_name == "chief":
        train(args, ctx)
    else:
        _, server = ctx.start_cluster_server()
        server.join()  # never returns: tfos stops the servers when the chief has succeeded


def train(args, ctx):
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(cluster)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        model = build_model()
        optimizer = keras.optimizers.Adam(args.learning_rate)
        optimizer.build(model.trainable_variables)
    steps = tf.Variable(0, dtype=tf.int64)  # on the chief, who alone counts them

    @tf.function
    def train_step(image, label):
        def step(image, label):
            with tf.GradientTape() as tape:
                guess = model(image, training=True)
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(label, guess))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        return strategy.run(step, args=(image, label))

    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, steps=steps)
    manager = tf.train.CheckpointManager(checkpoint, ctx.tf_path(args.model_dir), max_to_keep=3)
    manager.restore_or_initialize()
    print(f"chief: start at step {steps.numpy()}", flush=True)

    # A step runs once, on whichever worker is free, with the rows that are handed to it here: so
    # each row is trained once. (With create_per_worker_dataset the rows would come through the
    # chief too, and nobody would know for how many steps each worker's share lasts.)
    for batch in ctx.dataset(args.batch_size):
        loss = coordinator.schedule(train_step, args=(batch["image"], batch["label"]))
        steps.assign_add(1)
        if steps % args.checkpoint_steps == 0:
            coordinator.join()  # the checkpoint is of one moment, and few batches wait at a time
            manager.save(steps)
            print(f"chief: step {steps.numpy()}, loss {loss.fetch():.3f}", flush=True)
    coordinator.join()
    if steps % args.checkpoint_steps != 0:
        manager.save(steps)


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


def export_fn(args, ctx):
    # From the last checkpoint into a model of the chief's own: the variables of the trained one
    # lie on the parameter servers, where an export would look for them again.
    model = build_model()
    latest = tf.train.latest_checkpoint(ctx.tf_path(args.model_dir))
    tf.train.Checkpoint(model=model).restore(latest).expect_partial()
    ctx.export_saved_model(model)
