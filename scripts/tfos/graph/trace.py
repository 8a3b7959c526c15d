"""Graphs of a program's steps, each a signature of the SavedModel."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfos.graph import specs, updates
from tfos.graph.collective import Members, traced_with
from tfos.graph.errors import ExportError
from tfos.graph.keras_program import KerasProgram
from tfos.graph.module_program import ModuleProgram
from tfos.graph.specs import Specs
from tfos.graph.updates import Placement

Program = KerasProgram | ModuleProgram

TRAIN, ALL_REDUCE, EVALUATE, SERVE = "train", "train_all_reduce", "evaluate", "serving_default"
GROUP_SIZE = "group_size"  # the input of ALL_REDUCE that is no column: how many members
RESERVED = ("global_step", GROUP_SIZE)

# They call the Python process that made the graph.
_PYTHON = {"EagerPyFunc", "PyFunc", "PyFuncStateless"}


@dataclass
class Signature:
    """function: a ConcreteFunction that takes its inputs by name and returns outputs by name."""

    function: Any
    placement: Placement


def signatures(program: Program, step: tf.Variable) -> dict[str, Signature]:
    """The signatures of a program by name; step: the counter of its updates."""
    inputs = {**program.features, **program.labels}
    for name in RESERVED:
        if name in inputs:
            raise ExportError(f"inputs: {name}: this name is taken: give the input another one")
    found = {TRAIN: _train(TRAIN, program, step, inputs)[0]}
    if not found[TRAIN].function.graph.trainable_variables:
        raise ExportError("train: it uses no trainable variables: there is nothing to train")
    size = {GROUP_SIZE: tf.TensorSpec([], tf.int32, GROUP_SIZE)}
    together, averages = _train(ALL_REDUCE, program, step, {**inputs, **size})
    if averages:
        found[ALL_REDUCE] = together
    if program.has_evaluate:
        found[EVALUATE] = _traced(EVALUATE, _checked(EVALUATE, program.evaluate), inputs)
    if program.has_serve:
        found[SERVE] = _traced(SERVE, program.serve, program.features)
    return found


def _train(name: str, program: Program, step: tf.Variable, inputs: Specs) -> tuple[Signature, bool]:
    """A train step as a graph, and whether it averages gradients over members."""
    averages = False
    recorded: list[updates.Update] = []

    def train(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        nonlocal averages, recorded
        size = tensors.pop(GROUP_SIZE, None)
        members = None if size is None else Members(size)
        with traced_with(members), _recorded(program) as recorded:
            outputs = _checked(name, program.train)(**tensors)
        if members is not None:
            averages = members.used
            outputs.update(_means(members, outputs))
        outputs["global_step"] = step.assign_add(1, read_value=True)
        return outputs

    signature = _traced(name, train, inputs)
    signature.placement = updates.placement(signature.function, recorded)
    return signature, averages


def _recorded(program: Program) -> contextlib.AbstractContextManager[list[updates.Update]]:
    if program.optimizer is None:
        return contextlib.nullcontext([])
    return updates.recorded(program.optimizer, tf.compat.v1.get_default_graph())


def _means(members: Members, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Loss and metrics of all members' batches together, as one more vector that travels."""
    names = [
        name
        for name, one in outputs.items()
        if one.dtype.is_floating and one.shape.rank == 0 and name != "learning_rate"
    ]
    flat = tf.stack([tf.cast(outputs[name], tf.float32) for name in names])
    means = tf.unstack(members.mean(flat), len(names))
    return {name: tf.cast(one, outputs[name].dtype) for name, one in zip(names, means, strict=True)}


def _checked(name: str, function: Callable[..., Any]) -> Callable[..., dict[str, tf.Tensor]]:
    """A step whose outputs are a scalar loss and more scalars."""

    def run(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = function(**tensors)
        if not isinstance(outputs, Mapping) or "loss" not in outputs:
            got = ", ".join(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise ExportError(f'{name}: it returns {got}: a dict with "loss" is needed')
        found = {str(key): tf.convert_to_tensor(one) for key, one in outputs.items()}
        for key, one in found.items():
            if key in RESERVED:
                raise ExportError(f"{name}: {key}: this name is taken: give the metric another one")
            if one.shape.rank != 0:
                raise ExportError(
                    f"{name}: {key} is no scalar, its shape is {one.shape}: a mean or sum over the "
                    "batch is needed, for a Keras loss reduction='sum_over_batch_size'"
                )
        if not found["loss"].dtype.is_floating:
            raise ExportError(f"{name}: loss is {found['loss'].dtype.name}: a float is needed")
        return found

    return run


def _traced(name: str, function: Callable[..., Any], inputs: Specs) -> Signature:
    with specs.plain_errors(name, inputs):
        made = tf.function(function, autograph=False).get_concrete_function(**inputs)
    graph = made.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    python = sorted({node.name for node in nodes if node.op in _PYTHON})
    if python:
        raise ExportError(
            f"{name}: {', '.join(python)}: tf.py_function and tf.numpy_function need the Python "
            "that made them, which executors do not have: use TensorFlow's operations"
        )
    return Signature(made, Placement())
