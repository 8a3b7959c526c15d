"""Updates by one operation of TensorFlow: they compute what Keras's own do, for the same state."""

import graph_models as models
import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_models import batches
from graph_session import Graph, read
from tfos.graph import export_training

STEPS = 12
DENSE = 4  # variables of models.shared with dense gradients; one more is an embedding


class Slower(keras.optimizers.Adam):
    """An author's own update."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate / 2)


def scaled(**arguments):
    """Adam whose loss is scaled; it makes updates in a branch."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.02, **arguments), 64.0)


# Optimizers, and how many variables' updates are one operation.
FUSED = {
    "Adam": (lambda: keras.optimizers.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-4), DENSE),
    "AdamW": (lambda: keras.optimizers.AdamW(0.02, 0.1, clipnorm=0.1, use_ema=True), DENSE),
    "accumulated": (  # the sum of sparse gradients is dense
        lambda: keras.optimizers.Adam(0.02, gradient_accumulation_steps=2),
        DENSE + 1,
    ),
    "scaled": (scaled, DENSE),
}
OWN = {
    "amsgrad": lambda: keras.optimizers.Adam(0.02, amsgrad=True),
    "subclass": lambda: Slower(0.02),
    "SGD": lambda: keras.optimizers.SGD(0.02),
}


def exported(path, optimizer):
    model, arguments = models.shared()
    export_training(model, path=path, **{**arguments, "optimizer": optimizer})
    return model


def counted(path, operation):
    """How many of an operation each function has."""
    functions = read(path).graph_def.library.function
    return [[n.op for n in one.node_def].count(operation) for one in functions]


@pytest.mark.parametrize("name", FUSED)
def test_one_operation_computes_keras_update(name, tmp_path):
    make, fused = FUSED[name]
    path = str(tmp_path / "graph")
    model = exported(path, make())
    assert sum(counted(path, "ResourceApplyAdam")) == 2 * fused  # alone, and with members
    steps = batches(STEPS, models.visits)
    with Graph(path) as graph:
        ours = [graph.run("train", one)["loss"] for one in steps]
        variables = graph.variables()
    theirs = []
    for one in steps:
        model.reset_metrics()
        x = {"user": tf.constant(one["user"]), "x": tf.constant(one["x"])}
        theirs.append(model.train_on_batch(x, one["y"], return_dict=True)["loss"])
    assert theirs[-1] < 0.97 * theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=2e-5)
    for name, one in [
        (f"{layer.name}/{w.name}", w) for layer in model.layers for w in layer.weights
    ]:
        np.testing.assert_allclose(variables[name], one, rtol=2e-3, atol=2e-6, err_msg=name)
    moments = [name for name in variables if "velocity" in name]
    assert len(moments) == DENSE + 1 and all(variables[name].any() for name in moments)


@pytest.mark.parametrize("name", OWN)
def test_other_updates_stay_as_they_are(name, tmp_path):
    path = str(tmp_path / "graph")
    exported(path, OWN[name]())
    assert sum(counted(path, "ResourceApplyAdam")) == 0


def test_updates_read_what_they_share_once(tmp_path):
    """The count of steps and its powers, not for each variable again."""
    path = str(tmp_path / "graph")
    exported(path, keras.optimizers.Adam(0.02))
    # Two for the four dense gradients, two for the sparse one.
    assert [one for one in counted(path, "Pow") if one] == [4, 4]
