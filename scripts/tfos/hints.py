"""What tfos knows of errors that programs meet: causes that say what to do."""

import contextlib
import json
import operator
import os
import re
import sys
import traceback

KERAS_3 = (
    "Keras 3's fit and evaluate do not work under {}: "
    "use tf_keras, or a training loop of your own (docs/migration.md)"
)


def cause(err, message):
    """The cause to report in the place of an exception's own message; None: its own."""
    if keras_fit(err, message):
        return KERAS_3.format("MultiWorkerMirroredStrategy (keras-team/keras#20585)")
    if keras_fit_of_servers(err, message):
        return KERAS_3.format("ParameterServerStrategy")
    return None


def keras_fit(err, message):
    """Whether err is what Keras 3's trainer raises when it is handed values of all replicas."""
    return "values.PerReplica'" in message and in_keras_3(err)


def keras_fit_of_servers(err, message):
    """Whether err is what Keras 3's trainer meets under ParameterServerStrategy: it iterates the
    dataset itself, which only a ClusterCoordinator can."""
    return "ClusterCoordinator.create_per_worker_dataset" in message and in_keras_3(err)


def in_keras_3(err):
    """Whether Keras 3 raised err, or called what raised it."""
    return any("/keras/src/" in frame.f_code.co_filename for frame in frames(err))


def frames(err):
    return [frame for frame, _ in traceback.walk_tb(err.__traceback__)]


def advice(err, message, beside):
    """What to do about err, after its own message; None: tfos knows nothing.

    beside: names that lie beside the program on the machine of the job, and were not shipped.
    """
    return not_shipped(err, beside) or removed(err, message) or saved_by_servers(err)


def not_shipped(err, beside):
    """What to do where err, or its cause, misses something that lies beside the program."""
    while err is not None:
        for name in missing(err):
            if name in beside:
                return (
                    f"{name} lies beside the program and was not shipped: add it to "
                    "app.python.files"
                )
        err = err.__cause__
    return None


# Folders of TensorFlow whose code saves and restores.
_SAVING = ("/tensorflow/python/checkpoint/", "/tensorflow/python/training/saver")
_SERVERS_SAVE = (
    "a parameter server saves and restores the variables that it has, and may not see this folder: "
    "give save and restore tf.train.CheckpointOptions(experimental_io_device='/job:{}/task:0'), "
    "docs/model-dir-on-stores.md"
)


def saved_by_servers(err):
    """What to do where parameter servers looked for a file of the chief's folder."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or "ps" not in _cluster():
        return None
    files = (tensorflow.errors.NotFoundError, tensorflow.errors.PermissionDeniedError)
    saving = isinstance(err, files) and any(
        part in frame.f_code.co_filename for frame in frames(err) for part in _SAVING
    )
    return _SERVERS_SAVE.format("chief" if "chief" in _cluster() else "worker") if saving else None


def _cluster():
    """The jobs of TF_CONFIG, which the program may have changed."""
    with contextlib.suppress(ValueError, AttributeError):
        return json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
    return {}


# What TensorFlow has no more under any name.
_GONE = {
    "estimator": "Estimators left TensorFlow with 2.16: use Keras, or tensorflow<2.16 on the "
    "executors",
    "contrib": "tf.contrib left TensorFlow with 2.0: TensorFlow's guide to migration says what "
    "replaces it",
    "examples": "its tutorials left TensorFlow with 2.0: tf.keras.datasets has their data",
}
_KERAS_1 = (
    "Keras 3 has no layers of TensorFlow 1: set TF_USE_LEGACY_KERAS: '1' in resources.all.env, "
    "with tf_keras on the executors"
)
_ATTRIBUTE = re.compile(
    r"module '(?:tensorflow\._api\.v2(?:\.compat\.v1)?|tensorflow|keras\._tf_keras\.keras)"
    r"((?:\.\w+)*)' has no attribute '(\w+)'"
)
_MODULE = re.compile(
    r"No module named '(?:tensorflow[._]|tensorflow\.python\.)(estimator|contrib|examples)'"
)
_NAME = re.compile(r"cannot import name '(estimator|contrib|examples)' from 'tensorflow'")
_LAYER = re.compile(r"`\w+` is not available with Keras 3\.$")


def removed(err, message):
    """What to do where err misses a name that TensorFlow had before."""
    if isinstance(err, ImportError):
        found = _MODULE.search(message) or _NAME.search(message)
        return found and _GONE[found[1]]
    if not isinstance(err, AttributeError):
        return None
    if _LAYER.match(message):
        return _KERAS_1
    found = _ATTRIBUTE.search(message)
    return found and (_GONE.get(found[2]) or _in_tensorflow_1(f"{found[1]}.{found[2]}"[1:]))


def _in_tensorflow_1(name):
    """Where TensorFlow 2 keeps a name of TensorFlow 1; None: it never had it."""
    with contextlib.suppress(Exception):  # its modules are made when they are asked for
        operator.attrgetter(name)(sys.modules["tensorflow"].compat.v1)
        return f"TensorFlow 2 has it as tf.compat.v1.{name}: import tensorflow.compat.v1 as tf"
    return None


def missing(err):
    """Names beside the program of which err may miss one."""
    if isinstance(err, ModuleNotFoundError) and err.name:
        top = err.name.partition(".")[0]
        return [top + ".py", top]
    path = getattr(err, "filename", None)
    if isinstance(err, FileNotFoundError) and isinstance(path, str):
        return [os.path.relpath(path).partition("/")[0]]  # "..": not beside the program
    return []
