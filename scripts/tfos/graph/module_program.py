"""A tf.Module with a train_step of its own."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from tfos.graph import specs
from tfos.graph.errors import ExportError
from tfos.graph.keras_program import variable_name
from tfos.graph.specs import Specs


class ModuleProgram:
    """A tf.Module whose author wrote the step.

    train_step(**inputs) updates the variables and returns {"loss": scalar, metric: scalar, …};
    evaluate_step(**inputs) returns the same and updates nothing; predict_step(**features) returns
    outputs by name, and takes those inputs that its parameters name. The last two may be absent.
    """

    optimizer = None

    def __init__(self, module: Any, inputs: Any, given: dict[str, Any]) -> None:
        if any(one.__module__.startswith("tf_keras.") for one in type(module).__mro__):
            raise ExportError(
                "a model of tf_keras, which is Keras 2: make it with Keras 3, "
                "or hold it in a tf.Module with a train_step"
            )
        if not isinstance(module, tf.Module) or not callable(getattr(module, "train_step", None)):
            raise ExportError(
                f"{type(module).__name__} is neither a Keras 3 model nor a tf.Module with "
                "train_step(**inputs)"
            )
        for name, value in given.items():
            if value is not None:
                raise ExportError(
                    f"{name}: {type(module).__name__} has a train_step of its own: "
                    f"it computes this itself, give {name}=None"
                )
        if inputs is None:
            raise ExportError('inputs: give inputs={"x": tf.TensorSpec([None, 4], tf.float32)}')
        self.source = self.module = module
        self.inputs = specs.named(inputs, "inputs")
        self.has_evaluate = callable(getattr(module, "evaluate_step", None))
        self.has_serve = callable(getattr(module, "predict_step", None))
        self.features = self._features() if self.has_serve else {}
        self.labels = {name: one for name, one in self.inputs.items() if name not in self.features}

    @property
    def variables(self) -> list[tuple[str, tf.Variable]]:
        """What the module's attributes hold, Keras models and optimizers in them too."""
        found = []
        for one in tf.train.TrackableView(self.module).descendants():
            if isinstance(one, keras.Variable):
                found.append((variable_name(one), one.value))
            elif isinstance(one, tf.Variable):
                found.append((one.name.removesuffix(":0"), one))
        return found

    @property
    def trainable(self) -> list[tf.Variable]:
        return [one for _, one in self.variables if one.trainable]

    def train(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return _converted(self.module.train_step)(**inputs)

    def evaluate(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return _converted(self.module.evaluate_step)(**inputs)

    def serve(self, **features: tf.Tensor) -> dict[str, tf.Tensor]:
        return _converted(self.module.predict_step)(**features)

    def _features(self) -> Specs:
        step = self.module.predict_step
        parameters = inspect.signature(_python(step)).parameters
        wanted = [name for name in parameters if name != "self"]
        unknown = sorted(set(wanted) - self.inputs.keys())
        if unknown:
            raise ExportError(
                f"predict_step: {', '.join(unknown)}: no input has this name: "
                f"inputs has {specs.described(self.inputs)}"
            )
        return {name: self.inputs[name] for name in wanted}


def _python(step: Any) -> Any:
    """What an author wrote, without the tf.function that keeps its first graph."""
    return getattr(step, "python_function", step)


def _converted(step: Any) -> Any:
    """A step whose if and while of tensors are in the graph."""
    return tf.function(_python(step))
