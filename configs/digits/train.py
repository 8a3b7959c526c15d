"""The demo's program: a small Keras classifier of 8x8 handwritten digits.

Everything but the two function signatures and `ctx.dataset` is plain Keras.
"""

import os

import keras
from keras import layers

model = keras.Sequential(
    [
        keras.Input((64,), name="image"),
        layers.Rescaling(1 / 16),
        layers.Dense(128, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax", name="probabilities"),
    ]
)


def main_fun(args, ctx):
    model.compile(
        optimizer=keras.optimizers.Adam(args.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # The feed repeats the data args.epochs times: one pass over it is the whole training.
    rows = ctx.dataset(args.batch_size).map(lambda row: (row["image"], row["label"]))
    history = model.fit(rows, epochs=1, verbose=2)
    print(f"worker {ctx.task_index}: training accuracy {history.history['accuracy'][-1]:.3f}")
    folder = ctx.tf_path(args.model_dir)
    os.makedirs(folder, exist_ok=True)
    model.save_weights(os.path.join(folder, f"worker-{ctx.task_index}.weights.h5"))


def export_fn(args, ctx):
    model.export(args.export_dir, verbose=False)
