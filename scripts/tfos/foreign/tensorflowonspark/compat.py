"""TensorFlowOnSpark's compat, for TensorFlow 2."""

from typing import Any

import tfos


def export_saved_model(model: Any, export_dir: str, is_chief: bool = False) -> None:
    """Save model as a SavedModel at export_dir on the chief, and elsewhere into a folder that is
    thrown away: strategies of several workers want all of them to save."""
    target = export_dir if is_chief else tfos.get_context().throw_away_dir
    if _is_keras_2(model):
        model.save(target, save_format="tf")
    else:
        tfos.get_context().export_saved_model(model, target)


def _is_keras_2(model: Any) -> bool:
    """Whether it is tf_keras's, which reads back what it has saved so: Keras 3 cannot save so."""
    return any(base.__module__.startswith("tf_keras.") for base in type(model).__mro__)


def disable_auto_shard(options: Any) -> None:
    import tensorflow as tf

    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF


def is_gpu_available() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
