"""What tfos knows of errors that programs meet: causes that say what to do."""

import os
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


def not_shipped(err, beside):
    """What to do where err misses something that lies beside the program; None: it does not.

    beside: names that lie there on the machine of the job, and were not shipped.
    """
    for name in missing(err):
        if name in beside:
            return f"{name} lies beside the program and was not shipped: add it to app.python.files"
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
