"""Runs an exported graph in sessions, as tfos-engine does through TensorFlow's C API: the rules of
docs/graph-programs.md, in Python."""

import os

import tensorflow as tf
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import saved_model_pb2

v1 = tf.compat.v1


def read(path):
    """The MetaGraphDef of a SavedModel."""
    model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        model.ParseFromString(file.read())
    return model.meta_graphs[0]


def owner(node):
    """The variable that _class names; None without."""
    found = [one.decode().removeprefix("loc:@") for one in node.attr["_class"].list.s]
    return found[0] if found else None


def place(graph_def, device_of, worker):
    """Gives every operation its device: variables device_of(name), slot variables that of their
    variable, updates that of the variable that they update, all else worker."""
    devices = {}
    for node in graph_def.node:
        if node.op == "VarHandleOp":
            devices[node.name] = node.device or device_of(owner(node) or node.name)
        node.device = devices.get(node.name, node.device or worker)
    for function in graph_def.library.function:
        for node in function.node_def:
            if "_class" in node.attr and owner(node) in devices:
                node.device = devices[owner(node)]


class Graph:
    """A session over a SavedModel's graph; entered, it is initialised and restored."""

    def __init__(self, path, checkpoint=None, target="", config=None, meta=None):
        self.meta = meta or read(path)
        self.assets = {
            one.tensor_info.name: os.path.join(path, "assets", one.filename)
            for one in self.meta.asset_file_def
        }
        self.checkpoint = checkpoint or os.path.join(path, "variables", "variables")
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(self.meta.graph_def, name="")
        self.session = v1.Session(target, graph=graph, config=config)

    def __enter__(self):
        saver = self.meta.saver_def
        self.session.run(saver.restore_op_name, {saver.filename_tensor_name: self.checkpoint})
        self.session.run(
            self.meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name,
            self.assets,
        )
        return self

    def __exit__(self, *_):
        self.session.close()

    def save(self, prefix):
        saver = self.meta.saver_def
        self.session.run(saver.save_tensor_name, {saver.filename_tensor_name: prefix})

    def run(self, name, batch, **more):
        """The outputs of a signature for a batch, by name."""
        signature = self.meta.signature_def[name]
        feeds = {signature.inputs[key].name: value for key, value in batch.items()}
        fetches = {key: one.name for key, one in signature.outputs.items()}
        return self.session.run(fetches, feeds, **more)

    def variables(self):
        """The values of all variables by name."""
        defs = self.meta.collection_def["variables"].bytes_list.value
        found = [variable_pb2.VariableDef.FromString(one) for one in defs]
        return self.session.run({one.variable_name[:-2]: one.snapshot_name for one in found})
