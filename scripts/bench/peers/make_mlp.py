"""The MLP 784-128-10 as a SavedModel. Its weights are random: only its speed matters."""

import keras
import peer


def measure(config):
    image = keras.Input((784,), name=config.input)
    hidden = keras.layers.Dense(128, "relu")(image)
    keras.Model(image, keras.layers.Dense(10)(hidden)).export(config.model, verbose=False)
    return {}


if __name__ == "__main__":
    peer.main(measure)
