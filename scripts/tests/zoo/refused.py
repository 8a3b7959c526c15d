"""What is no model that runs, each with the command that makes one of it, where there is one."""

import dataclasses
import os
import pathlib
import shutil
import tarfile
from typing import Any

import keras
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import saved_model_pb2

from zoo.case import Case, floats
from zoo.modules import module
from zoo.tensorflow1 import dense, inputs, ready, session, v1

REFUSED: dict[str, Any] = {}
X = floats(4)


@dataclasses.dataclass
class Refusal:
    """A path that tfos refuses with exit code 2."""

    path: str  # below the folder that the function was given
    says: str  # what the message must have
    key: str = "export_dir"
    shows: bool = False  # tfos show opens it: it has something to say, but no job lines
    program: str = ""  # Python in which the message's lines run; "": they are a shell's
    case: Case | None = None  # how the model that the command makes is run; None: no command


def refused(title, instead):
    """Adds a function to what is refused. It is given an empty folder. The table in
    docs/inference.md says what to do instead."""

    def add(make):
        REFUSED[make.__name__] = make
        return make

    return add


def built(package=keras):
    model = package.Sequential([package.layers.Dense(3, input_shape=(4,))])
    model.compile("adam", "mse")
    return model


def answers(model):
    return Case({"x": X}, outputs={"output_0": model(X).numpy()})


def whole(at, name, package=keras):
    model = built(package)
    model.save(os.path.join(at, name))
    return Refusal(name, "export a SavedModel of it", case=answers(model))


@refused("`.keras`", "`tfos export` makes a SavedModel of it")
def keras_file(at):
    return whole(at, "my model.keras")


@refused("`.keras` of Keras 2", "the same, with the package tf_keras")
def keras2_file(at):
    return whole(at, "model.keras", tf_keras)


@refused("`.h5`", "`tfos export` makes a SavedModel of it")
def hdf5(at):
    return whole(at, "model.h5")


@refused("`.h5` of Keras 2", "the same, with the package tf_keras")
def keras2_hdf5(at):
    return whole(at, "it's.h5", tf_keras)


@refused("a folder with a `.keras` file in it", "the same, for that file")
def folder_of_keras(at):
    return dataclasses.replace(whole(at, "model.keras"), path=".")


def program(package):
    return (
        f"import tensorflow as tf, {package} as keras; "
        "model = keras.Sequential([keras.layers.Dense(3, input_shape=(4,))]); "
    )


@refused("`.weights.h5`", "two lines for the program that builds the model")
def weights(at):
    model = built()
    model.save_weights(os.path.join(at, "m.weights.h5"))
    return Refusal("m.weights.h5", "weights", program=program("keras"), case=answers(model))


@refused("weights alone in `.h5` (Keras 2)", "two lines for the program that builds the model")
def keras2_weights(at):
    model = built(tf_keras)
    model.save_weights(os.path.join(at, "w.h5"))
    return Refusal("w.h5", "weights", program=program("tf_keras"), case=answers(model))


@refused(
    "TensorFlow 2 checkpoint (`tf.train.Checkpoint`)",
    "two lines for the program that builds the model",
)
def checkpoint2(at):
    model = built()
    tf.train.Checkpoint(net=model).write(os.path.join(at, "ckpt"))
    more = {"key": "model_dir", "shows": True, "program": program("keras")}
    return Refusal("ckpt", "no graph", case=answers(model), **more)


@refused(
    "TensorFlow 2 checkpoint (Keras 2 `save_weights`)",
    "two lines for the program that builds the model",
)
def keras2_checkpoint(at):
    model = built(tf_keras)
    model.save_weights(os.path.join(at, "ckpt"))
    more = {"key": "model_dir", "shows": True, "program": program("tf_keras")}
    return Refusal("ckpt", "no graph", case=answers(model), **more)


@refused(
    "TF-Hub's first format (`tfhub_module.pb`)", "a Python command line makes a SavedModel of it"
)
def hub_module(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x)
        ready(s)
        out = s.run(y, {x: X})
        signature = {"default": v1.saved_model.predict_signature_def({"x": x}, {"default": y})}
        builder = v1.saved_model.Builder(os.path.join(at, "hub"))
        builder.add_meta_graph_and_variables(s, [], signature)
        builder.save()
    file = pathlib.Path(at, "hub", "saved_model.pb")
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    saved.meta_graphs[0].ClearField("saver_def")
    file.write_bytes(saved.SerializeToString())
    file.with_name("tfhub_module.pb").write_bytes(b"\x08\x03")
    return Refusal("hub", "TF-Hub's first format", case=Case({"x": X}, outputs={"default": out}))


@refused("packed folders (`.tar.gz`)", "the command that unpacks it")
def packed(at):
    module(os.path.join(at, "m"))
    out = tf.saved_model.load(os.path.join(at, "m")).signatures["serving_default"](x=X)
    with tarfile.open(os.path.join(at, "m.tar.gz"), "w:gz") as archive:
        archive.add(os.path.join(at, "m"), ".")
    shutil.rmtree(os.path.join(at, "m"))
    outputs = {k: v.numpy() for k, v in out.items()}
    return Refusal("m.tar.gz", "packed folder", case=Case({"x": X}, outputs=outputs))


@refused("TensorFlow Lite (`.tflite`)", "the model from which it was converted")
def lite(at):
    serve = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([None, 4])])
    concrete = [serve.get_concrete_function()]
    converted = tf.lite.TFLiteConverter.from_concrete_functions(concrete, tf.Module()).convert()
    pathlib.Path(at, "m.tflite").write_bytes(converted)
    return Refusal("m.tflite", "TensorFlow Lite")


@refused("ONNX (`.onnx`)", "`onnx2tf` makes a SavedModel of it")
def onnx(at):
    pathlib.Path(at, "m.onnx").write_bytes(b"\x08\x07")
    return Refusal("m.onnx", "onnx2tf -i")


@refused("PyTorch (`.pt`, `.pth`, `.safetensors`)", "`torch.onnx.export`, then `onnx2tf`")
def torch(at):
    pathlib.Path(at, "m.pt").write_bytes(b"PK\x03\x04")
    return Refusal("m.pt", "torch.onnx.export")


@refused("TensorFlow.js (`model.json`)", "the model from which it was converted")
def scripted(at):
    pathlib.Path(at, "model.json").write_text('{"format": "graph-model", "weightsManifest": []}')
    return Refusal(".", "TensorFlow.js")


@refused("a folder of several SavedModels", "the message lists them, with their names on TF-Hub")
def several(at):
    for name in ("one", "two"):
        module(os.path.join(at, name))
    return Refusal(".", "give one of them")


@refused("a SavedModel as `model_dir`", "`export_dir`")
def as_checkpoint(at):
    module(os.path.join(at, "m"))
    return Refusal("m", "runs as export_dir", key="model_dir", shows=True)


@refused("a checkpoint as `export_dir`", "`model_dir`")
def as_saved_model(at):
    with session() as s, s.graph.as_default():
        dense(inputs())
        ready(s)
        v1.train.Saver().save(s, os.path.join(at, "m"))
    return Refusal(".", "runs as model_dir", shows=True)


@refused(
    "a graph that is not frozen (`.pb`, `.pbtxt`)",
    "freeze it, or give its SavedModel or checkpoint",
)
def not_frozen(at):
    with session() as s, s.graph.as_default():
        dense(inputs())
        tf.io.write_graph(s.graph_def, at, "graph.pbtxt")
    return Refusal("graph.pbtxt", "convert_variables_to_constants")


@refused("a SavedModel without its variables", "copy or export it again")
def no_variables(at):
    module(os.path.join(at, "m"))
    shutil.rmtree(os.path.join(at, "m", "variables"))
    return Refusal("m", "not complete", shows=True)
