"""The MLP 784-128-10 that the benchmark trains with fit, and the times of its epochs."""

import time

import keras


def compiled():
    layers = [keras.Input((784,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    return model


class EpochTimer(keras.callbacks.Callback):
    """When epochs ended, from the timer's making on."""

    def __init__(self):
        super().__init__()
        self.times = [time.perf_counter()]

    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.perf_counter())

    def rates(self, rows):
        """Rows per second of each epoch, of so many rows."""
        return [rows / (b - a) for a, b in zip(self.times, self.times[1:], strict=False)]
