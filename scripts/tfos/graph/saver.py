"""The operations of a graph that save and restore its variables, each under its own name."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2

FILENAME, SAVED, RESTORED = "save/filename", "save/control_dependency", "save/restore_all"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the key under which TensorFlow 2 finds it


def add(graph_def: Any, variables: dict[str, tf.Variable], objects: bytes) -> Any:
    """Adds a saver to a graph that has a VarHandleOp for each variable, by name.

    objects: the TrackableObjectGraph that a checkpoint carries, so that TensorFlow 2 reads it too.
    Returns the SaverDef.
    """
    present = {node.name for node in graph_def.node}
    for node in _nodes(variables, objects):
        if node.name not in present:
            graph_def.node.add().CopyFrom(node)
    return saver_pb2.SaverDef(
        filename_tensor_name=f"{FILENAME}:0",
        save_tensor_name=f"{SAVED}:0",
        restore_op_name=RESTORED,
        version=saver_pb2.SaverDef.V2,
    )


def key_of(name: str) -> str:
    """The key of a variable in a checkpoint. TensorFlow 2 reads no key without this end."""
    return f"{name}/.ATTRIBUTES/VARIABLE_VALUE"


def read_of(name: str) -> str:
    """The operation that reads a variable; SavedModels have it."""
    return f"{name}/Read/ReadVariableOp"


def assign_of(name: str) -> str:
    """The operation that gives a variable its value of a checkpoint."""
    return f"save/{name}/Assign"


def _nodes(variables: dict[str, tf.Variable], objects: bytes) -> Any:
    """The saver's nodes, with the handles and reads that it uses."""
    raw = tf.raw_ops
    keys, slices = [key_of(name) for name in variables], [""] * len(variables)
    dtypes = [one.dtype for one in variables.values()]
    with tf.Graph().as_default() as graph:
        handles = {
            name: raw.VarHandleOp(dtype=one.dtype, shape=one.shape, shared_name=name, name=name)
            for name, one in variables.items()
        }
        reads = [
            raw.ReadVariableOp(resource=handles[name], dtype=one.dtype, name=read_of(name))
            for name, one in variables.items()
        ]
        filename = tf.compat.v1.placeholder(tf.string, [], FILENAME)
        save = raw.SaveV2(
            prefix=filename,
            tensor_names=[*keys, OBJECTS],
            shape_and_slices=[*slices, ""],
            tensors=[*reads, tf.constant(objects, name="save/objects")],
            name="save/SaveV2",
        )
        with tf.control_dependencies([save]):
            tf.identity(filename, SAVED)
        values = raw.RestoreV2(
            prefix=filename,
            tensor_names=keys,
            shape_and_slices=slices,
            dtypes=dtypes,
            name="save/RestoreV2",
        )
        assigned = [
            raw.AssignVariableOp(resource=handles[name], value=value, name=assign_of(name))
            for name, value in zip(variables, values, strict=True)
        ]
        tf.group(*assigned, name=RESTORED)
    return graph.as_graph_def().node
