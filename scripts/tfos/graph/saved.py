"""The SavedModel of a training graph.

TensorFlow writes it; then its graph gets what a node needs: variables with known names in the
graph and in the checkpoint, a saver by these names, collections that list them, and the
colocation of updates with their variable.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2
from tensorflow.saved_model.experimental import TrackableResource

from tfos.graph import devices, saver
from tfos.graph.errors import ExportError
from tfos.graph.trace import Program, Signature

Variables = dict[str, tf.Variable]


def write(path: str, program: Program, signatures: dict[str, Signature], step: tf.Variable) -> None:
    """Writes the SavedModel of a program; step: its counter of updates."""
    used = {v.ref(): v for s in signatures.values() for v in s.function.graph.variables}
    known = {v.ref(): (name, v) for name, v in [*program.variables, ("global_step", step)]}
    variables = _named([one for ref, one in known.items() if ref in used])
    lost = sorted(v.name for ref, v in used.items() if ref not in known)
    if lost:
        raise ExportError(f"{', '.join(lost)}: no attribute of the model holds this variable")
    root = tf.Module()
    root.kept = list(variables.values())
    root.tables = _tables(program.source)
    functions = {name: one.function for name, one in signatures.items()}
    with _saved_under(variables):
        tf.saved_model.save(root, path, signatures=functions)
    names = {one.ref(): name for name, one in variables.items()}
    objects = _rewrite_checkpoint(path, variables)
    trained = {names[one.ref()] for one in program.trainable if one.ref() in names}
    _rewrite_graph(path, signatures, variables, trained, names[step.ref()], objects)


def _named(variables: Iterable[tuple[str, tf.Variable]]) -> Variables:
    """Variables by name, in order. A second one of a name gets _1, the next _2.

    TensorFlow's graphs do not tell names apart that differ in case alone.
    """
    found: Variables = {}
    taken: set[str] = set()
    for given, one in variables:
        plain = re.sub(r"[^A-Za-z0-9_.\\/-]", "_", given).lstrip("/_-\\")
        plain = name = plain or "variable"
        count = 0
        while name.lower() in taken:
            count += 1
            name = f"{plain}_{count}"
        taken.add(name.lower())
        found[name] = one
    return found


def _tables(source: Any) -> list[Any]:
    """The lookup tables of a model; those that training changes are an error."""
    found = [
        one
        for one in tf.train.TrackableView(source).descendants()
        if isinstance(one, TrackableResource)
    ]
    for one in found:
        if "Mutable" in type(one).__name__ or "DenseHashTable" in type(one).__name__:
            raise ExportError(
                f"{type(one).__name__}: no checkpoint has what training puts into this table: "
                "use tf.lookup.StaticHashTable, or a variable"
            )
    return found


@contextlib.contextmanager
def _saved_under(variables: Variables) -> Iterator[None]:
    """tf.saved_model.save names variables of the graph by their handle's name."""
    before = [one._handle_name for one in variables.values()]
    for name, one in variables.items():
        one._handle_name = f"{name}:0"
    try:
        yield
    finally:
        for one, name in zip(variables.values(), before, strict=True):
            one._handle_name = name


def _rewrite_checkpoint(path: str, variables: Variables) -> bytes:
    """Writes the values under the variables' names, and returns the object graph that says so."""
    prefix = os.path.join(path, "variables", "variables")
    reader = tf.train.load_checkpoint(prefix)
    objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor(saver.OBJECTS)
    )
    keys = set(reader.get_variable_to_shape_map()) - {saver.OBJECTS}
    for node in objects.nodes:
        for one in node.attributes:
            if one.checkpoint_key in keys and one.full_name in variables:
                keys.remove(one.checkpoint_key)
                one.checkpoint_key = saver.key_of(one.full_name)
    if keys:
        raise ExportError(
            f"not a variable, and no checkpoint will have it: {', '.join(sorted(keys))}"
        )
    tf.raw_ops.SaveV2(
        prefix=prefix + ".new",
        tensor_names=[*map(saver.key_of, variables), saver.OBJECTS],
        shape_and_slices=[""] * (len(variables) + 1),
        tensors=[*(one.read_value() for one in variables.values()), objects.SerializeToString()],
    )
    for end in (".data-00000-of-00001", ".index"):
        os.replace(f"{prefix}.new{end}", prefix + end)
    return objects.SerializeToString()


def _rewrite_graph(
    path: str,
    signatures: dict[str, Signature],
    variables: Variables,
    trained: set[str],
    step: str,
    objects: bytes,
) -> None:
    file = os.path.join(path, "saved_model.pb")
    model = saved_model_pb2.SavedModel()
    with open(file, "rb") as stream:
        model.ParseFromString(stream.read())
    (meta,) = model.meta_graphs
    handles = {
        n.attr["shared_name"].s.decode() for n in meta.graph_def.node if n.op == "VarHandleOp"
    }
    if handles != set(variables):
        raise RuntimeError(f"TensorFlow named variables otherwise: {handles ^ set(variables)}")
    devices.set_devices(meta.graph_def)
    _colocate(meta.graph_def, signatures, {one.ref(): name for name, one in variables.items()})
    _remove_saver(meta)
    meta.saver_def.CopyFrom(saver.add(meta.graph_def, variables, objects))
    _list_variables(meta, variables, trained, step)
    with open(file, "wb") as stream:
        stream.write(model.SerializeToString(deterministic=True))
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(path, "fingerprint.pb"))  # it was of the file before


def _colocate(graph_def: Any, signatures: dict[str, Signature], names: dict[Any, str]) -> None:
    """Says with _class which variable a slot variable and an operation of an update belong to."""
    slots: dict[str, str] = {}
    bodies: dict[str, dict[str, Any]] = {}
    for one in signatures.values():
        bodies[one.function.name.decode()] = one.placement.operations
        slots |= {names[slot]: names[of] for slot, of in one.placement.slots.items()}
    for node in graph_def.node:
        if node.op == "VarHandleOp" and node.name in slots:
            _set_class(node, slots[node.name])
    for function in graph_def.library.function:
        operations = bodies.get(function.signature.name, {})
        for node in function.node_def:
            if node.name in operations:
                _set_class(node, names[operations[node.name]])


def _set_class(node: Any, name: str) -> None:
    node.attr["_class"].list.s[:] = [b"loc:@" + name.encode()]


def _remove_saver(meta: Any) -> None:
    """Takes out the saver of tf.saved_model.save, whose names are an object's place in others."""
    old = meta.saver_def
    tensors = (old.filename_tensor_name, old.save_tensor_name, old.restore_op_name)
    gone = {name.partition(":")[0] for name in tensors}
    calls = {n.attr["f"].func.name for n in meta.graph_def.node if n.name in gone}
    nodes = [node for node in meta.graph_def.node if node.name not in gone]
    functions = [f for f in meta.graph_def.library.function if f.signature.name not in calls]
    del meta.graph_def.node[:]
    meta.graph_def.node.extend(nodes)
    del meta.graph_def.library.function[:]
    meta.graph_def.library.function.extend(functions)


def _list_variables(meta: Any, variables: Variables, trained: set[str], step: str) -> None:
    """Lists variables in the collections that TensorFlow 1 has for them."""
    for name in variables:
        one = variable_pb2.VariableDef(
            variable_name=f"{name}:0",
            initializer_name=saver.assign_of(name),
            snapshot_name=f"{saver.read_of(name)}:0",
            is_resource=True,
            trainable=name in trained,
        ).SerializeToString()
        lists = ["variables"]
        lists += ["trainable_variables"] if name in trained else []
        lists += ["global_step"] if name == step else []
        for collection in lists:
            meta.collection_def[collection].bytes_list.value.append(one)
