"""What a Keras 3 model computes in training, evaluation and inference, as graphs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfos.graph import specs
from tfos.graph.collective import all_reduce
from tfos.graph.errors import ExportError
from tfos.graph.specs import Specs


class KerasProgram:
    """A Keras model with its optimizer, loss and metrics. It compiles the model with them.

    features and labels: what the signatures take. source: the object whose variables and tables
    are saved. optimizer: the one that updates the model, built.
    """

    has_evaluate = has_serve = True

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        inputs: Any = None,
        labels: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
    ) -> None:
        _check(model, optimizer, loss)
        self.source = self.model = model
        model.compile(
            optimizer, loss, loss_weights=loss_weights, metrics=metrics, jit_compile=False
        )
        self.optimizer = model.optimizer
        if not self.optimizer.built:
            self.optimizer.build(model.trainable_variables)
        self._given = inputs
        self.features = self._features(inputs)
        outputs = self._outputs()
        if labels is None:
            self.labels = _labels_for(outputs, loss)
        else:
            self.labels = specs.named(labels, "labels")
        _check_labels(self.features, self.labels, outputs)
        self._build_metrics(outputs)

    @property
    def variables(self) -> list[tuple[str, tf.Variable]]:
        """All variables by name, in an order that depends on the model alone. An optimizer has
        its name without the number that Keras gives to a second one of a process."""
        of_model = [(variable_name(one), one.value) for one in self.model.variables]
        own = [(re.sub(r"^(\w+?)_\d+/", r"\1/", one.path), one) for one in self.optimizer.variables]
        return of_model + [(name, one.value) for name, one in own]

    @property
    def trainable(self) -> list[tf.Variable]:
        return [one.value for one in self.model.trainable_variables]

    def train(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the model by one batch: the loss before it, metrics, the learning rate."""
        x, y = self._split(inputs)
        with tf.GradientTape() as tape:
            predicted = self._call(x, training=True)
            loss, metrics = self._score(x, y, predicted, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable)
        if all(one is None for one in gradients):
            raise ExportError("loss: it depends on no trainable variable of the model")
        rate = tf.cast(self.optimizer.learning_rate, tf.float32)
        self.optimizer.apply(all_reduce(gradients), self.model.trainable_variables)
        return {"loss": loss, **metrics, "learning_rate": rate}

    def evaluate(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        x, y = self._split(inputs)
        loss, metrics = self._score(x, y, self._call(x, training=False), training=False)
        return {"loss": loss, **metrics}

    def serve(self, **features: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._by_name(self._call(self._structured(features), training=False))

    def _score(self, x: Any, y: Any, predicted: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        """Loss and metrics of one batch. What metrics remember of batches before is not read, and
        nothing is remembered: the scope takes all that is assigned."""
        # Regularisers and add_loss are outside of the scope: hand them in as Keras's trainer for
        # JAX does.
        self.model._losses_override = list(self.model.losses)
        try:
            with keras.StatelessScope():
                self.model.reset_metrics()
                more = {"training": training} if _takes(self.model.compute_loss, "training") else {}
                loss = self.model.compute_loss(x=x, y=y, y_pred=predicted, **more)
                metrics = dict(self.model.compute_metrics(x, y, predicted))
        finally:
            self.model._losses_override = []
        metrics.pop("loss", None)  # the mean over batches, of which there are none
        return loss, metrics

    def _call(self, x: Any, training: bool) -> Any:
        more = {"training": training} if _takes(self.model.call, "training") else {}
        return self.model(x, **more)

    def _split(self, inputs: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        """What the model takes, and what its loss compares predictions with."""
        x = self._structured({name: inputs[name] for name in self.features})
        return x, self._targets({name: inputs[name] for name in self.labels})

    def _targets(self, labels: dict[str, tf.Tensor]) -> Any:
        """Labels in the structure of the model's outputs."""
        if isinstance(self._predicted, Mapping):
            return labels
        if isinstance(self._predicted, list | tuple):
            return [labels.get(name) for name in self._by_name(self._predicted)]
        return next(iter(labels.values())) if len(labels) == 1 else labels

    def _features(self, given: Any) -> Specs:
        if given is not None:
            return specs.named(given, "inputs")
        inputs = getattr(self.model, "inputs", None)
        if not inputs:
            raise ExportError(
                "inputs: this model does not say what it takes: give "
                'inputs={"x": tf.TensorSpec([None, 4], tf.float32)}'
            )
        return specs.named(list(inputs), "inputs")

    def _structured(self, features: dict[str, tf.Tensor]) -> Any:
        """Features as the model is called with them: as `inputs` was given, or as the model has
        them itself."""
        # Not their own order: TensorFlow sorts the arguments of a function by name.
        flat = [features[name] for name in self.features]
        if len(getattr(self.model, "inputs", None) or ()) == 1:  # under whatever name
            return flat[0]
        if self._given is None:
            return keras.tree.pack_sequence_as(self.model.input, flat)
        if isinstance(self._given, Mapping):
            return features
        return flat if isinstance(self._given, list | tuple) else flat[0]

    def _outputs(self) -> Specs:
        """What the model returns, by name; keeps its structure."""
        function = tf.function(
            lambda **inputs: self._call(self._structured(inputs), training=False), autograph=False
        )
        with specs.plain_errors("the model", self.features):
            self._predicted = function.get_concrete_function(**self.features).structured_outputs
        return {
            name: tf.TensorSpec(one.shape, one.dtype, name)
            for name, one in self._by_name(self._predicted).items()
        }

    def _by_name(self, predicted: Any) -> dict[str, Any]:
        if isinstance(predicted, Mapping):
            return dict(predicted)
        if not isinstance(predicted, list | tuple):
            return {"output_0": predicted}
        names = getattr(self.model, "output_names", None)
        if not names or len(names) != len(predicted):
            names = [f"output_{i}" for i in range(len(predicted))]
        return dict(zip(names, predicted, strict=True))

    def _build_metrics(self, outputs: Specs) -> None:
        """Metrics make their variables from the first batch: from one row of zeros here."""

        def zeros(one: tf.TensorSpec) -> tf.Tensor:
            return tf.zeros([size or 1 for size in one.shape], one.dtype)

        y = self._targets({name: zeros(one) for name, one in self.labels.items()})
        rows = [zeros(one) for one in outputs.values()]
        predicted = tf.nest.pack_sequence_as(self._predicted, rows)
        with specs.plain_errors("metrics", {**self.labels, **outputs}):
            self.model.compute_metrics(None, y, predicted)
        self.model.reset_metrics()


def variable_name(variable: keras.Variable) -> str:
    """Keras's path of a variable; of random seeds without the number that a process gives them."""
    return re.sub(r"^seed_generator_\d+/", "seed_generator/", variable.path)


def _takes(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(one.name == name or one.kind == one.VAR_KEYWORD for one in parameters)


def _check(model: Any, optimizer: Any, loss: Any) -> None:
    if not model.built:
        raise ExportError(
            "the model is not built, and has no variables yet: "
            "call it once on a batch, or begin it with keras.Input"
        )
    if type(model).train_step is not keras.Model.train_step:
        raise ExportError(
            f"{type(model).__name__} has a train_step of its own, which would not be used: "
            "give a tf.Module that holds the model and has the train_step"
        )
    if not model.trainable_variables:
        raise ExportError("the model has no trainable variables: there is nothing to train")
    if optimizer is None or loss is None:
        raise ExportError("a Keras model is exported with an optimizer and a loss")


def _labels_for(outputs: Specs, loss: Any) -> Specs:
    """One label for each output that has a loss: class numbers for sparse losses, else of the
    output's type and shape, without a last dimension of 1."""
    found = {}
    for i, (name, output) in enumerate(outputs.items()):
        one = loss.get(name) if isinstance(loss, Mapping) else loss
        one = one[i] if isinstance(one, list | tuple) else one
        if one is None:
            continue
        label = "y" if len(outputs) == 1 and name == "output_0" else name
        shape = output.shape
        if _is_sparse(one):
            found[label] = tf.TensorSpec(shape[:-1], tf.int64, label)
        else:
            one_value = shape.rank == 2 and shape[-1] == 1
            found[label] = tf.TensorSpec(shape[:-1] if one_value else shape, output.dtype, label)
    return specs.named(found, "labels")


def _is_sparse(loss: Any) -> bool:
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None) or str(loss)
    return name.replace("_", "").lower().startswith("sparsecategorical")


def _check_labels(features: Specs, labels: Specs, outputs: Specs) -> None:
    both = sorted(features.keys() & labels.keys())
    if both:
        raise ExportError(
            f"labels: {', '.join(both)}: the model's inputs have this name: give labels="
        )
    for name, one in labels.items():
        if one.dtype == tf.string:
            raise ExportError(
                f"labels: {name}: text, where the loss needs numbers: "
                "give class numbers, or look them up in a tf.Module with its own train_step"
            )
    if len(outputs) > 1 and not labels.keys() <= outputs.keys():
        raise ExportError(
            f"labels: {', '.join(labels)}: labels are named as the model's outputs: "
            f"{', '.join(outputs)}"
        )
