"""`model.fit` on several workers in step: tf_keras (Keras 2) under MultiWorkerMirroredStrategy.

Keras 3's `fit` cannot do this (keras-team/keras#20585); tf_keras 2.19 is maintained for it.
"""

import os

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers


def main_fun(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = build_model()
        optimizer = keras.optimizers.Adam(args.learning_rate)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    # One pass over the feed is the whole training. fit's "epochs" are the stretches of
    # save_every steps between two backups (tf_keras cannot go on inside of one); a run that was
    # cut off goes on from the last, and the feed's end ends the training whatever is left.
    rows = ctx.dataset(args.batch_size).map(lambda row: (row["image"], row["label"]))
    backup = keras.callbacks.BackupAndRestore(os.path.join(args.model_dir, "backup"))
    start = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: print(
            f"training starts at step {optimizer.iterations.numpy()}", flush=True
        )
    )
    model.fit(
        rows,
        steps_per_epoch=args.save_every,
        epochs=args.steps // args.save_every,
        verbose=2,
        callbacks=[backup, start],
    )
    # Saving may need every worker: all of them export, and what the chief writes is published.
    model.export(args.export_dir)


def build_model():
    return keras.Sequential(
        [
            keras.Input((64,), name="image"),
            layers.Rescaling(1 / 16),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
