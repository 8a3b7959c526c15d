"""The MLP 784-128-10 that the benchmark trains, and the times of fit's epochs."""

import time

import keras


def model(hidden=(128,), features=784):
    """An MLP with so many units in its hidden layers: image -> 10 logits."""
    layers = [keras.layers.Dense(units, "relu") for units in hidden]
    return keras.Sequential(
        [keras.Input((features,), name="image"), *layers, keras.layers.Dense(10)]
    )


def optimizer():
    return keras.optimizers.Adam()


def loss(**arguments):
    """Of logits and class numbers; arguments: more of Keras's."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **arguments)


def compiled():
    made = model()
    made.compile(optimizer(), loss())
    return made


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
