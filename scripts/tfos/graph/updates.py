"""Which operations of a train graph update which variable.

An optimizer's update of a variable reads and writes slot variables, such as Adam's moments. On a
parameter server the update belongs where its variable is; elsewhere every step would send the
slots there and back.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfos.graph import fused


@dataclass
class Placement:
    """What belongs to which variable: operations by their name in a function, and slot variables.

    Variables are keys by tf.Variable.ref().
    """

    operations: dict[str, Any] = field(default_factory=dict)
    slots: dict[Any, Any] = field(default_factory=dict)


@dataclass
class Update:
    """One call of an optimizer's update_step: the variable, and the operations that it made."""

    variable: tf.Variable
    operations: list[tf.Operation]


@contextlib.contextmanager
def recorded(optimizer: Any, graph: tf.Graph) -> Iterator[list[Update]]:
    """The updates that a Keras optimizer makes in a graph, as they come, each as one operation
    where TensorFlow has that (fused).

    Those in a graph below it, such as a branch of tf.cond, are left out.
    """
    while hasattr(optimizer, "inner_optimizer"):  # of LossScaleOptimizer
        optimizer = optimizer.inner_optimizer
    update_step = fused.update_step(optimizer)
    found: list[Update] = []

    def recording(gradient: Any, variable: Any, learning_rate: Any) -> None:
        update_step.prepare(gradient, variable)
        before = len(graph.get_operations())
        update_step(gradient, variable, learning_rate)
        if tf.compat.v1.get_default_graph() is graph:
            value = getattr(variable, "value", variable)
            found.append(
                Update(
                    value if isinstance(value, tf.Variable) else variable,
                    graph.get_operations()[before:],
                )
            )

    object.__setattr__(optimizer, "update_step", recording)  # past Keras's tracking
    try:
        yield found
    finally:
        object.__delattr__(optimizer, "update_step")


def placement(function: Any, found: list[Update]) -> Placement:
    """What the updates of a traced function have to themselves.

    function: its ConcreteFunction. A variable that only one update touches is its slot. An
    operation that touches what others touch too, such as the learning rate, belongs to none.
    """
    graph = function.graph
    owner = {op.name: i for i, update in enumerate(found) for op in update.operations}
    inside = {placeholder.name: captured for captured, placeholder in graph.captures}
    variables = {id(one.handle): one for one in graph.variables}
    users: dict[str, set[int | None]] = defaultdict(set)
    for op in graph.get_operations():
        for name in _resources(op, inside):
            users[name].add(owner.get(op.name))
    place = Placement()
    own: dict[str, int] = {}
    updated = {one.variable.ref(): i for i, one in enumerate(found)}
    for name, by in users.items():
        variable = variables.get(id(inside[name]))
        if variable is None:
            continue
        if variable.ref() in updated:
            own[name] = updated[variable.ref()]
        elif len(by) == 1 and (only := next(iter(by))) is not None:
            own[name] = only
            place.slots[variable.ref()] = found[only].variable.ref()
    for i, update in enumerate(found):
        for op in update.operations:
            if all(own.get(name) == i for name in _resources(op, inside)):
                place.operations[op.name] = update.variable.ref()
    return place


def _resources(op: tf.Operation, inside: dict[str, Any]) -> list[str]:
    return [one.name for one in op.inputs if one.dtype == tf.resource and one.name in inside]
