"""Exports a graph program as an author does: `export_graph.py KIND FOLDER`.

KIND is one of MODELS. The signature train takes image, float32 [n, features], and label,
int64 [n].
"""

import sys

import mlp
import tensorflow as tf
from tfos.graph import export_training

MODELS = {
    "mlp": {},
    "wide": {"hidden": (2_048, 2_048)},
    "small": {"hidden": (8,), "features": 8},
}


def main(kind, folder):
    labels = {"label": tf.TensorSpec([None], tf.int64)}
    export_training(mlp.model(**MODELS[kind]), mlp.optimizer(), mlp.loss(), folder, labels=labels)


if __name__ == "__main__":
    main(*sys.argv[1:])
