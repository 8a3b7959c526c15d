"""tfos.graph.export_training: a model becomes a SavedModel that tfos trains without Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import keras
import tensorflow as tf

from tfos.graph import saved, trace
from tfos.graph.errors import ExportError
from tfos.graph.keras_program import KerasProgram
from tfos.graph.module_program import ModuleProgram


def export_training(
    model: Any,
    optimizer: Any,
    loss: Any,
    path: str | os.PathLike[str],
    *,
    inputs: Any = None,
    labels: Any = None,
    metrics: Any = None,
    loss_weights: Any = None,
) -> None:
    """Writes a SavedModel with the signatures train, train_all_reduce, evaluate, serving_default.

    model: a built Keras 3 model, which it compiles with what follows; or a tf.Module with
    train_step(**inputs), then optimizer, loss, labels, metrics and loss_weights are None.
    optimizer, loss, metrics, loss_weights: as for model.compile. inputs: what the model takes,
    tf.TensorSpecs by name, a list of them or one; None: keras.Input of the model tell. labels:
    what the loss compares outputs with, likewise; None: one for each output. path: a new folder.

    ExportError: what cannot be exported. FileExistsError: path exists. docs/graph-programs.md
    says what the signatures take and return, and how variables are named.
    """
    target = os.path.abspath(os.fspath(path))
    if os.path.lexists(target):
        raise FileExistsError(f"{target}: exists: remove it, or give another path")
    if keras.backend.backend() != "tensorflow":
        runs = f"Keras runs on {keras.backend.backend()}"
        raise ExportError(f"{runs}: set KERAS_BACKEND=tensorflow before its import")
    program: KerasProgram | ModuleProgram
    if isinstance(model, keras.Model):
        program = KerasProgram(model, optimizer, loss, inputs, labels, metrics, loss_weights)
    else:
        given = {"optimizer": optimizer, "loss": loss, "labels": labels, "metrics": metrics}
        program = ModuleProgram(model, inputs, given | {"loss_weights": loss_weights})
    step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
    signatures = trace.signatures(program, step)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    folder = tempfile.mkdtemp(dir=os.path.dirname(target), prefix=".export-")
    try:
        made = os.path.join(folder, "model")
        saved.write(made, program, signatures, step)
        os.rename(made, target)
    finally:
        shutil.rmtree(folder)
