"""A Keras program that goes on: BackupAndRestore and ModelCheckpoint in model_dir."""

import json
import os
import time

EPOCHS = 6


def main_fun(args, ctx):
    import keras
    import numpy as np

    assert "://" not in args.model_dir and args.model_url == args.expect_url
    x = np.arange(64, dtype="float32").reshape(16, 4) / 64
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if not os.path.exists(f"{args.model_dir}/run-{ctx_run}.json"):
                with open(f"{args.model_dir}/run-{ctx_run}.json", "w") as file:
                    json.dump({"first": epoch}, file)

        def on_epoch_end(self, epoch, logs=None):
            if epoch == args.hold:
                time.sleep(3600)  # the test kills it

    ctx_run = args.attempt
    callbacks = [
        keras.callbacks.BackupAndRestore(f"{args.model_dir}/backup", delete_checkpoint=False),
        keras.callbacks.ModelCheckpoint(f"{args.model_dir}/model.keras"),
        keras.callbacks.TensorBoard(f"{args.model_dir}/logs"),
        Watch(),
    ]
    model.fit(x, x[:, :1], epochs=EPOCHS, batch_size=8, callbacks=callbacks, verbose=0)
