"""Writes a program of TensorFlow 1 as a .meta file that trains: FOLDER/graph.meta.

usage: make_model.py FOLDER

The graph has what tf.compat.v1.train.export_meta_graph keeps of any such program: variables, the
loss in the collection `losses`, the count of steps and a saver. Only the train op must be put into
a collection by hand.
"""

import os
import sys

import tensorflow as tf

v1 = tf.compat.v1


def dense(name, inputs, units):
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", [inputs.shape[1], units])
        return tf.matmul(inputs, kernel) + v1.get_variable("bias", [units])


def build_graph():
    image = v1.placeholder(tf.float32, [None, 64], "image")
    label = v1.placeholder(tf.int64, [None], "label")
    hidden = tf.nn.relu(dense("first", image / 16, 128))
    logits = dense("last", hidden, 10)
    tf.nn.softmax(logits, name="probabilities")
    loss = v1.losses.sparse_softmax_cross_entropy(label, logits)
    step = v1.train.get_or_create_global_step()
    return v1.train.AdamOptimizer(0.003).minimize(loss, step)


def main(folder):
    os.makedirs(folder)
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        v1.disable_resource_variables()  # as programs of TensorFlow 1 have them
        v1.add_to_collection("train_op", build_graph())
        v1.train.Saver().export_meta_graph(os.path.join(folder, "graph.meta"))


if __name__ == "__main__":
    main(sys.argv[1])
