"""What tfos.graph does not export, in plain words, and that nothing is left behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import layers
from tfos.graph import ExportError, export_training

X = tf.TensorSpec([None, 2], tf.float32, "x")


def dense(**more):
    return keras.Sequential([keras.Input((2,)), layers.Dense(1, **more)])


def frozen():
    model = dense()
    model.trainable = False
    return model


class Unbuilt(keras.Model):
    def call(self, x):
        return x


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = layers.Dense(1)

    def call(self, x):
        return self.last(x)

    def train_step(self, data):
        return {}


def own_step():
    model = OwnStep()
    model(np.zeros((1, 2)))
    return model


def with_python():
    x = keras.Input((2,))
    y = layers.Lambda(lambda x: tf.ensure_shape(tf.py_function(np.sin, [x], x.dtype), (None, 2)))(x)
    return keras.Model(x, layers.Dense(1)(y))


class Texts(keras.Model):
    """Multiplies texts."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(1)
        self.last.build((None, 2))
        self.built = True

    def call(self, film):
        return tf.matmul(film, self.last.kernel)


def unrelated(y, predicted):
    return tf.reduce_sum(y)


class Step(tf.Module):
    def __init__(self, step):
        super().__init__()
        self.weight = tf.Variable(1.0)
        self.step = step

    def train_step(self, x):
        return self.step(self, x)


class Mutable(Step):
    def __init__(self):
        super().__init__(Mutable.look_up)
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)

    def look_up(self, x):
        return {"loss": self.weight + tf.reduce_sum(self.table.lookup(tf.constant(["a"])))}


MSE = keras.losses.MeanSquaredError
FAULTS = {
    "not built": (keras.Sequential([layers.Dense(1)]), "sgd", "mse", {}, "call it once on a batch"),
    "says no input": (Texts(), "sgd", "mse", {}, "does not say what it takes"),
    "own train_step": (own_step(), "sgd", "mse", {"inputs": X}, "give a tf.Module"),
    "nothing to train": (frozen(), "sgd", "mse", {}, "no trainable variables"),
    "no loss": (dense(), "sgd", None, {}, "with an optimizer and a loss"),
    "vector": (dense(), "sgd", MSE(reduction=None), {}, r"loss is no scalar, its shape is \(None,"),
    "vector metric": (
        dense(),
        "sgd",
        "mse",
        {"metrics": [keras.metrics.F1Score()], "labels": tf.TensorSpec([None, 1], tf.float32, "y")},
        "f1_score is no scalar",
    ),
    "loss of no variable": (dense(), "sgd", unrelated, {}, "depends on no trainable variable"),
    "python": (with_python(), "sgd", "mse", {}, "use TensorFlow's operations"),
    "text": (
        Texts(),
        "sgd",
        "mse",
        {"inputs": tf.TensorSpec([None, 2], tf.string, "film")},
        "film: text, where numbers are needed",
    ),
    "text labels": (
        dense(),
        "sgd",
        "mse",
        {"labels": tf.TensorSpec([None], tf.string, "colour")},
        "colour: text, where the loss needs numbers",
    ),
    "one name twice": (
        dense(),
        "sgd",
        "mse",
        {"labels": X},
        "x: the model's inputs have this name",
    ),
    "taken name": (
        dense(),
        "sgd",
        "mse",
        {"inputs": tf.TensorSpec([None, 2], tf.float32, "global_step")},
        "global_step: this name is taken",
    ),
    "sparse": (dense(), "sgd", "mse", {"inputs": tf.SparseTensorSpec([None, 2])}, "use dense ones"),
    "no step": (tf.Module(), None, None, {"inputs": X}, "nor a tf.Module with train_step"),
    "Keras 2": (tf_keras.Sequential(), "sgd", "mse", {"inputs": X}, "make it with Keras 3"),
    "step and optimizer": (Step(None), "sgd", None, {"inputs": X}, "give optimizer=None"),
    "step without inputs": (Step(None), None, None, {}, "give inputs="),
    "step returns no loss": (
        Step(lambda self, x: {"error": self.weight}),
        None,
        None,
        {"inputs": X},
        'returns error: a dict with "loss" is needed',
    ),
    "whole loss": (
        Step(lambda self, x: {"loss": tf.cast(self.weight, tf.int32)}),
        None,
        None,
        {"inputs": X},
        "loss is int32: a float is needed",
    ),
    "step without variables": (
        Step(lambda self, x: {"loss": tf.reduce_sum(x)}),
        None,
        None,
        {"inputs": X},
        "no trainable variables",
    ),
    "table that changes": (Mutable(), None, None, {"inputs": X}, "use tf.lookup.StaticHashTable"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_is_refused(fault, tmp_path):
    model, optimizer, loss, more, message = FAULTS[fault]
    with pytest.raises(ExportError, match=message):
        export_training(model, optimizer, loss, tmp_path / "model", **more)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match="give another path"):
        export_training(dense(), "sgd", "mse", tmp_path)


def test_a_step_without_the_helper_trains_without_all_reduce(tmp_path):
    def step(self, x):
        self.weight.assign_sub(0.1)
        return {"loss": self.weight + tf.reduce_sum(x)}

    export_training(Step(step), None, None, tmp_path / "model", inputs=X)
    assert set(tf.saved_model.load(str(tmp_path / "model")).signatures) == {"train"}
