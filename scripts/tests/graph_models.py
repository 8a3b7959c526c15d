"""Models that the tests of tfos.graph export, and batches for them."""

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from keras import layers
from tfos.graph import all_reduce

ROWS = 16


def batches(steps, make, seed=7):
    """Batches of ROWS rows, the same for the same seed; make(rng, rows): columns by input."""
    rng = np.random.default_rng(seed)
    return [make(rng, ROWS) for _ in range(steps)]


def write(path, batches):
    """The rows of batches as one parquet file, which one feed task reads in its order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: np.concatenate([one[name] for one in batches]) for name in batches[0]}
    table = {name: list(c) if c.ndim > 1 else c for name, c in columns.items()}
    pq.write_table(pa.table(table), path)
    return path


def classes(rng, rows):
    x = rng.random((rows, 6), dtype="float32")
    return {"x": x, "y": (x.sum(1) * 1.5).astype("int64") % 3}


def perceptron():
    """A functional model, and a learning rate that depends on the optimizer's iterations."""
    keras.utils.set_random_seed(1)
    x = keras.Input((6,))
    dense = layers.Dense(
        8, "relu", kernel_regularizer="l2", activity_regularizer="l2", name="hidden"
    )
    hidden = dense(x)
    model = keras.Model(x, layers.Dense(3, name="logits")(hidden))
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 5, 0.8)
    return model, {
        "optimizer": keras.optimizers.Adam(rate),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")],
    }


class Noisy(keras.Model):
    """A subclassed model whose training is another computation than its inference."""

    def __init__(self):
        super().__init__(name="noisy")
        self.norm = layers.BatchNormalization(name="norm")
        self.first = layers.Dense(8, "tanh", name="first")
        self.drop = layers.Dropout(0.3, seed=5, name="drop")
        self.last = layers.Dense(3, activation="softmax", name="last")

    def call(self, x, training=False):
        x = self.first(self.norm(x, training=training))
        return self.last(self.drop(x, training=training))


def noisy():
    keras.utils.set_random_seed(2)
    model = Noisy()
    model(np.zeros((1, 6), "float32"))
    return model, {
        "optimizer": keras.optimizers.RMSprop(0.02),
        "loss": "sparse_categorical_crossentropy",
        "inputs": tf.TensorSpec([None, 6], tf.float32),
        "metrics": ["accuracy"],
    }


def absolute(y, predicted):
    return keras.ops.abs(y - predicted)


def ratings(rng, rows):
    """Rows of a table of users and films, with two labels."""
    users = rng.choice(["ann", "bob", "cid", "eve"], rows)
    film = rng.integers(0, 50, (rows, 2))
    age = rng.random((rows, 1), dtype="float32")
    stars = (len(users[0]) + film[:, 0] / 10 + age[:, 0]).astype("float32")
    seen = (film[:, 1] > 20).astype("float32")
    return {"user": users.astype(object), "film": film, "age": age, "stars": stars, "seen": seen}


def wide_and_deep():
    """Texts in a table, embeddings, several inputs and outputs, a loss and a weight for each."""
    keras.utils.set_random_seed(3)
    user = keras.Input((), dtype="string", name="user")
    film = keras.Input((2,), dtype="int64", name="film")
    age = keras.Input((1,), name="age")
    number = layers.StringLookup(vocabulary=["ann", "bob", "cid"], name="numbers")(user)
    deep = layers.Embedding(4, 3, name="users")(number)
    films = layers.Flatten()(layers.Embedding(50, 4, name="films")(film))
    both = layers.Concatenate()([deep, films, age])
    outputs = {
        "stars": layers.Dense(1, name="stars")(both),
        "seen": layers.Dense(1, "sigmoid", name="seen")(both),
    }
    model = keras.Model({"user": user, "film": film, "age": age}, outputs)
    return model, {
        "optimizer": keras.optimizers.SGD(0.05),
        "loss": {"stars": keras.losses.MeanSquaredError(), "seen": "binary_crossentropy"},
        "loss_weights": {"stars": 0.5, "seen": 2.0},
        "metrics": {"stars": [absolute], "seen": ["accuracy"]},
    }


def shared():
    """A model that members train together: sparse and dense gradients, no batch statistics."""
    keras.utils.set_random_seed(4)
    user = keras.Input((), dtype="int64", name="user")
    x = keras.Input((6,), name="x")
    both = layers.Concatenate()([layers.Embedding(10, 3, name="users")(user), x])
    hidden = layers.Dense(8, "relu", name="hidden")(both)
    model = keras.Model([user, x], layers.Dense(3, name="logits")(hidden))
    return model, {
        "optimizer": keras.optimizers.Adam(0.01),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
    }


def visits(rng, rows):
    return {"user": rng.integers(0, 10, rows)} | classes(rng, rows)


class Line(tf.Module):
    """A program that writes its own step, with variables of one name."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([[0.1]] * 6)
        self.bias = tf.Variable([0.0])

    def predict_step(self, x):
        return {"z": x @ self.weight + self.bias}

    def evaluate_step(self, x, y):
        error = self.predict_step(x)["z"][:, 0] - tf.cast(y, tf.float32)
        return {"loss": tf.reduce_mean(error**2), "worst": tf.reduce_max(tf.abs(error))}

    def train_step(self, x, y):
        with tf.GradientTape() as tape:
            outputs = self.evaluate_step(x, y)
        for one, gradient in zip(
            [self.weight, self.bias],
            all_reduce(tape.gradient(outputs["loss"], [self.weight, self.bias])),
            strict=True,
        ):
            one.assign_sub(0.1 * gradient)
        return outputs


LINE = {"x": tf.TensorSpec([None, 6], tf.float32), "y": tf.TensorSpec([None], tf.int64)}
