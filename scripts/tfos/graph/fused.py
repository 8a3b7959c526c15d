"""Updates of optimizers as one operation of TensorFlow each.

Keras writes Adam's update of a variable as some twenty operations, each of which goes through the
whole variable. TensorFlow has one that computes the same in a third of the time, and that needs
nothing but the gradient on the variable's parameter server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

UpdateStep = Callable[[Any, Any, Any], None]


class Adam:
    """The update_step of a keras.optimizers.Adam without amsgrad, or of an AdamW.

    Sparse gradients get Keras's own update, which parameter servers divide by rows. Slot variables
    are Keras's. Values differ from Keras's by rounding: 1 - beta_2 is computed in the variable's
    type here.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._own = optimizer.update_step
        self._powers: dict[tuple[Any, Any], tuple[tf.Tensor, tf.Tensor]] = {}

    def prepare(self, gradient: Any, variable: Any) -> None:
        """Makes the operations that the updates of a step share. It comes before each update."""
        dtype = variable.dtype
        graph = tf.compat.v1.get_default_graph()
        if self._is_fused(gradient) and (graph, dtype) not in self._powers:
            step = tf.cast(keras.ops.convert_to_tensor(self._optimizer.iterations) + 1, dtype)
            betas = (self._optimizer.beta_1, self._optimizer.beta_2)
            self._powers[graph, dtype] = tuple(tf.pow(tf.cast(one, dtype), step) for one in betas)

    def __call__(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if not self._is_fused(gradient):
            self._own(gradient, variable, learning_rate)
            return
        optimizer, dtype = self._optimizer, variable.dtype
        graph = tf.compat.v1.get_default_graph()
        at = optimizer._get_variable_index(variable)
        slots = [optimizer._momentums[at].value, optimizer._velocities[at].value]
        for one in (variable, *slots):
            graph.watch_variable(one)
        power_1, power_2 = self._powers[graph, dtype]
        # Locked: workers of parameter servers update a variable at the same time, and each
        # update counts.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=power_1,
            beta2_power=power_2,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(optimizer.beta_1, dtype),
            beta2=tf.cast(optimizer.beta_2, dtype),
            epsilon=tf.cast(optimizer.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
            use_locking=True,
        )

    def _is_fused(self, gradient: Any) -> bool:
        """Whether the gradient is dense, and the graph is one of TensorFlow: Keras calls branches
        of a condition with symbols first, which have no variables."""
        of_graph = isinstance(self._optimizer.variables[0].value, tf.Variable)
        return of_graph and isinstance(gradient, tf.Tensor)


class Unfused:
    """The update_step of any other optimizer: its own."""

    def __init__(self, optimizer: Any) -> None:
        self._own = optimizer.update_step

    def prepare(self, gradient: Any, variable: Any) -> None:
        pass

    def __call__(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self._own(gradient, variable, learning_rate)


def update_step(optimizer: Any) -> Adam | Unfused:
    """The update_step to trace for an optimizer. One that overrides Keras's keeps its own."""
    own = type(optimizer)
    keras_adam = keras.optimizers.Adam
    kept = all(
        getattr(own, name) is getattr(keras_adam, name)
        for name in ("update_step", "assign_add", "assign_sub")
        if hasattr(own, name)
    )
    if isinstance(optimizer, keras_adam) and kept and not optimizer.amsgrad:
        return Adam(optimizer)
    return Unfused(optimizer)
