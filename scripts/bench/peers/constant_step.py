"""The step that peers of graph programs take by hand: the same model on a batch that is a
constant."""

import numpy as np
import tensorflow as tf


def replica_step(mlp, rows, replicas):
    """The step of one replica, without arguments; it returns the loss. Call it in a scope.

    mlp: the module of the model; rows: of a replica's batch; replicas: that update together.
    """
    model, optimizer = mlp.model(), mlp.optimizer()
    optimizer.build(model.trainable_variables)
    entropy = mlp.loss(reduction=None)
    random = np.random.default_rng(0)
    images = random.random((rows, 784), np.float32)
    labels = random.integers(0, 10, rows)

    def step():
        with tf.GradientTape() as tape:
            losses = entropy(tf.constant(labels), model(tf.constant(images), training=True))
            loss = tf.nn.compute_average_loss(losses, global_batch_size=rows * replicas)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def together(step, count):
    """A tf.function of so many steps; it returns the last one's value."""
    if count == 1:
        return tf.function(step)

    @tf.function
    def steps():
        value = step()
        for _ in tf.range(count - 1):
            value = step()
        return value

    return steps
