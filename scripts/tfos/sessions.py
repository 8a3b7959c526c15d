"""SavedModels of TensorFlow 1 sessions."""

from collections.abc import Mapping
from typing import Any


def export(
    sess: Any, export_dir: str, tag_set: str, signatures: Mapping[str, Mapping[str, Any]]
) -> None:
    """Save a session: signatures is {key: {"inputs": {alias: tensor}, "outputs": {alias:
    tensor}, "method_name": text}}, tag_set has commas between tags."""
    import tensorflow.compat.v1 as tf

    def infos(tensors: Mapping[str, Any]) -> dict[str, Any]:
        return {
            alias: tf.saved_model.build_tensor_info(tensor) for alias, tensor in tensors.items()
        }

    graph = sess.graph
    graph._unsafe_unfinalize()  # MonitoredTrainingSession has finalized it
    with graph.as_default():
        builder = tf.saved_model.Builder(export_dir)
        definitions = {
            key: tf.saved_model.build_signature_def(
                infos(one["inputs"]), infos(one["outputs"]), one.get("method_name", key)
            )
            for key, one in signatures.items()
        }
        builder.add_meta_graph_and_variables(
            sess, tag_set.split(","), signature_def_map=definitions, clear_devices=True
        )
        builder.save()
    graph.finalize()
