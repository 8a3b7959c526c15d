"""Write an Inception-v3 that takes JPEG files as they are, and some of these.

usage: make.py FOLDER [--images N] [--size PIXELS]

FOLDER/images     parquet: name (string), jpeg (binary); N crops of two photographs
FOLDER/model      SavedModel with a signature: jpeg -> scores, features
FOLDER/graph      the same as one frozen graph, a SavedModel as TensorFlow 1 left them, without
                  signatures; its tensors: jpeg:0, features:0, scores:0

The network is that of keras.applications at its full size, 23.9 million weights, drawn from a
seed: nothing is downloaded, and scores mean nothing. PIXELS is the side to which images are
scaled in the graph (299, as in the paper; 75 at least).
"""

import argparse
import importlib.resources
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

v1 = tf.compat.v1


def photographs():
    """The two photographs that scikit-learn brings, as arrays of bytes."""
    folder = importlib.resources.files("sklearn") / "datasets" / "images"
    return [
        tf.io.decode_jpeg((folder / name).read_bytes(), channels=3).numpy()
        for name in ("china.jpg", "flower.jpg")
    ]


def crops(count):
    """(name, JPEG bytes) of pieces of the photographs, no two of one place and size."""
    random = np.random.default_rng(1)
    photos = photographs()
    for i in range(count):
        photo = photos[i % len(photos)]
        height, width = (int(random.integers(150, most)) for most in photo.shape[:2])
        top, left = (
            int(random.integers(0, most - size))
            for most, size in zip(photo.shape, (height, width), strict=False)
        )
        piece = photo[top : top + height, left : left + width]
        yield f"crop-{i:03d}.jpg", tf.io.encode_jpeg(piece, quality=90).numpy()


def write_images(folder, images, files=2):
    folder.mkdir(parents=True)
    for i, part in enumerate(np.array_split(np.arange(len(images)), files)):
        names, jpegs = zip(*(images[n] for n in part), strict=True)
        table = pa.table({"name": list(names), "jpeg": pa.array(jpegs, pa.binary())})
        pq.write_table(table, folder / f"part-{i}.parquet")


class Classifier(tf.Module):
    """JPEG bytes -> features [n, 2048] and scores [n, 1000]."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        inception = keras.applications.InceptionV3(weights=None, input_shape=(size, size, 3))
        features = inception.get_layer("avg_pool").output
        self.network = keras.Model(inception.input, [features, inception.output])

    def pixels(self, jpeg):
        def one(data):
            image = tf.image.resize(tf.io.decode_jpeg(data, channels=3), [self.size, self.size])
            return keras.applications.inception_v3.preprocess_input(image)

        return tf.map_fn(one, jpeg, fn_output_signature=tf.float32)

    def settle(self, jpegs):
        """Give normalisation the statistics of some images: with those that it starts with,
        random weights make all images alike."""
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0
        self.network(self.pixels(tf.constant(jpegs)), training=True)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def classify(self, jpeg):
        features, scores = self.network(self.pixels(jpeg), training=False)
        return {"features": features, "scores": scores}


def write_graph(function, folder):
    """A function with its variables as constants, as a SavedModel without signatures."""
    frozen = convert_variables_to_constants_v2(function)
    outputs = dict(zip(sorted(function.structured_outputs), frozen.outputs, strict=True))
    needed = [tensor.op.name for tensor in outputs.values()]
    definition = v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), needed)
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        for name, tensor in outputs.items():
            tf.identity(graph.get_tensor_by_name(tensor.name), name)
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()


def main():
    parser = argparse.ArgumentParser(description="Write an Inception-v3 and images for it.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--size", type=int, default=299)
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    keras.utils.set_random_seed(1)

    images = list(crops(options.images))
    write_images(options.folder / "images", images)
    model = Classifier(options.size)
    model.settle([jpeg for _, jpeg in images[:8]])
    path = options.folder / "model"
    tf.saved_model.save(model, str(path), signatures={"serving_default": model.classify})
    write_graph(model.classify.get_concrete_function(), options.folder / "graph")
    print(f"{len(images)} images and two SavedModels in {options.folder}")


if __name__ == "__main__":
    main()
