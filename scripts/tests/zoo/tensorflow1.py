"""TensorFlow 1: sessions, builders, estimators' signatures, checkpoints, frozen graphs."""

import os

import numpy as np
import tensorflow as tf

from zoo.case import Case, floats, rng, way, words
from zoo.modules import serialized

v1 = tf.compat.v1
saved_model = v1.saved_model


def inputs():
    return v1.placeholder(tf.float32, [None, 4], "x")


def dense(x, resource=True, partitioner=None):
    """A layer of three units, with variables of either kind."""
    with v1.variable_scope("dense", use_resource=resource, partitioner=partitioner):
        kernel = v1.get_variable("kernel", [4, 3])
        bias = v1.get_variable("bias", [3], initializer=v1.ones_initializer())
    return tf.nn.bias_add(tf.matmul(x, tf.convert_to_tensor(kernel)), bias, name="scores")


def session():
    """A session over a graph of its own, with its variables ready when it is entered."""
    return v1.Session(graph=v1.Graph())


def ready(s):
    s.run([v1.global_variables_initializer(), v1.tables_initializer()])


def build(at, s, signatures, tags=("serve",), **more):
    builder = saved_model.Builder(at)
    builder.add_meta_graph_and_variables(s, list(tags), signatures, **more)
    builder.save()


def predict(**tensors):
    """A predict signature; names that begin with out are outputs."""
    split = {True: {}, False: {}}
    for name, tensor in tensors.items():
        split[name.startswith("out")][name] = tensor
    return {"serving_default": saved_model.predict_signature_def(split[False], split[True])}


@way("TF1 `simple_save`")
def simple_save(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x)
        ready(s)
        saved_model.simple_save(s, at, {"x": x}, {"y": y})
    return Case({"x": floats(4)})


@way("TF1 variables that are no resources")
def reference_variables(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x, resource=False)
        ready(s)
        build(at, s, predict(x=x, out=y))
    return Case({"x": floats(4)})


@way("TF1 partitioned variables")
def partitioned(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x, resource=False, partitioner=v1.fixed_size_partitioner(2))
        ready(s)
        build(at, s, predict(x=x, out=y))
    return Case({"x": floats(4)})


def lookup(word):
    pairs = tf.lookup.KeyValueTensorInitializer(["red", "green"], tf.constant([7, 8], tf.int64))
    return tf.lookup.StaticHashTable(pairs, -1).lookup(word)


def tables(at, **how):
    with session() as s, s.graph.as_default():
        word = v1.placeholder(tf.string, [None], "word")
        out = lookup(word)
        ready(s)
        build(at, s, predict(word=word, out=out), **{k: f() for k, f in how.items()})
    return Case({"word": words("red", "green", "blue")})


@way("TF1 builder with `main_op`")
def main_op(at):
    return tables(at, main_op=v1.tables_initializer)


@way("TF1 builder with `legacy_init_op`")
def legacy_init_op(at):
    return tables(at, legacy_init_op=v1.tables_initializer)


@way("TF1 several tag sets, `serve` among them")
def tag_sets(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x)
        ready(s)
        builder = saved_model.Builder(at)
        builder.add_meta_graph_and_variables(s, ["train"], predict(x=x, out=2 * y))
        builder.add_meta_graph(["serve", "gpu"], predict(x=x, out=3 * y))
        builder.add_meta_graph(["serve"], predict(x=x, out=y))
        builder.save()
    return Case({"x": floats(4)})


@way("TF1 a tag set of its own")
def own_tags(at):
    with session() as s, s.graph.as_default():
        x = inputs()
        y = dense(x)
        ready(s)
        build(at, s, {"score": predict(x=x, out=y)["serving_default"]}, ("mine", "v2"))
    return Case({"x": floats(4)}, signature="score", tags=("mine", "v2"))


@way("TF1 `keep_prob` as a placeholder")
def keep_prob(at):
    with session() as s, s.graph.as_default():
        x, keep = inputs(), v1.placeholder(tf.float32, [], "keep_prob")
        y = v1.nn.dropout(dense(x), keep_prob=keep)
        ready(s)
        build(at, s, predict(x=x, keep_prob=keep, out=y))
    return Case({"x": floats(4)}, constants={"keep_prob": 1.0})


@way("TF1 `placeholder_with_default`")
def with_default(at):
    with session() as s, s.graph.as_default():
        x, keep = inputs(), v1.placeholder_with_default(1.0, [], "keep_prob")
        y = v1.nn.dropout(dense(x), keep_prob=keep)
        ready(s)
        build(at, s, predict(x=x, out=y))
    return Case({"x": floats(4)})


@way("TF1 classification signature of serialized tf.Example (estimators)")
def classification(at):
    with session() as s, s.graph.as_default():
        record = v1.placeholder(tf.string, [None], "input_example_tensor")
        features = {"a": tf.io.FixedLenFeature([1], tf.float32)}
        scores = tf.nn.softmax(dense(tf.tile(tf.io.parse_example(record, features)["a"], [1, 4])))
        classes = tf.as_string(tf.tile([[0, 1, 2]], [tf.shape(scores)[0], 1]))
        ready(s)
        signature = saved_model.classification_signature_def(record, classes, scores)
        build(at, s, {"serving_default": signature})
    return Case({"inputs": serialized()})


@way("TF1 regression signature of serialized tf.Example (estimators)")
def regression(at):
    with session() as s, s.graph.as_default():
        record = v1.placeholder(tf.string, [None], "input_example_tensor")
        features = {"a": tf.io.FixedLenFeature([1], tf.float32)}
        value = 3 * tf.io.parse_example(record, features)["a"]
        build(at, s, {"serving_default": saved_model.regression_signature_def(record, value)})
    return Case({"inputs": serialized()})


@way("TF1 SavedModel without a signature")
def no_signature(at):
    x = floats(4)
    with session() as s, s.graph.as_default():
        y = dense(inputs())
        ready(s)
        build(at, s, {})
        return Case({"x:0": x}, outputs={"scores:0": s.run(y, {"x:0": x})})


@way("TF1 checkpoint with its .meta file")
def checkpoint(at):
    x, word = floats(4), words("red", "green", "blue")
    with session() as s, s.graph.as_default():
        y = dense(inputs())
        number = tf.identity(lookup(v1.placeholder(tf.string, [None], "word")), "number")
        ready(s)
        os.mkdir(at)
        v1.train.Saver().save(s, os.path.join(at, "model.ckpt"), 7)
        feeds = {"x:0": x, "word:0": word}
        scores, numbers = s.run([y, number], feeds)
    return Case(feeds, outputs={"scores:0": scores, "number:0": numbers})


@way("TF1 cluster's devices (`/job:ps`)")
def cluster_devices(at):
    x = floats(4)
    with v1.Graph().as_default() as graph:
        with v1.device("/job:ps/replica:0/task:0"):
            given = inputs()
            y = dense(given)
        with v1.Session(config=v1.ConfigProto(allow_soft_placement=True)):
            pass
        bare = v1.train.export_meta_graph(graph=graph, clear_devices=True)
        saver_def = v1.train.Saver().as_saver_def()
        placed = v1.train.export_meta_graph(graph=graph, saver_def=saver_def)
    os.mkdir(at)
    with session() as s, s.graph.as_default():
        v1.train.import_meta_graph(bare)
        ready(s)
        prefix = v1.train.Saver().save(s, os.path.join(at, "m"), write_meta_graph=False)
        scores = s.run(y.name, {given.name: x})
    with open(prefix + ".meta", "wb") as file:
        file.write(placed.SerializeToString())
    return Case({"x:0": x}, outputs={"scores:0": scores})


@way("TF1 frozen graph (.pb)")
def frozen(at):
    x = floats(4)
    with session() as s, s.graph.as_default():
        y = tf.nn.softmax(dense(inputs()), name="probabilities")
        ready(s)
        probabilities = s.run(y, {"x:0": x})
        graph = v1.graph_util.convert_variables_to_constants(s, s.graph_def, ["probabilities"])
    os.mkdir(at)
    with open(os.path.join(at, "frozen.pb"), "wb") as file:
        file.write(graph.SerializeToString())
    return Case({"x:0": x}, outputs={"probabilities:0": probabilities}, path="frozen.pb")


@way("frozen graph of a TF2 function (.pb)")
def frozen_function(at):
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    x, w = floats(4), tf.Variable(rng.standard_normal((4, 2)).astype("f4"))
    function = tf.function(lambda x: tf.nn.relu(x @ w))
    concrete = function.get_concrete_function(tf.TensorSpec([None, 4], tf.float32, name="x"))
    fixed = convert_variables_to_constants_v2(concrete)
    os.mkdir(at)
    tf.io.write_graph(fixed.graph.as_graph_def(), at, "model.pb", as_text=False)
    return Case({"x:0": x}, outputs={"Identity:0": np.asarray(function(x))}, path="model.pb")


@way("TF1 control flow: `while_loop` and `cond` before version 2")
def old_control_flow(at):
    v1.disable_control_flow_v2()
    try:
        with session() as s, s.graph.as_default():
            x = inputs()
            total = v1.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t + x), [0, 0 * x])[1]
            y = v1.cond(tf.reduce_sum(x) > 0, lambda: 2 * total, lambda: total)
            build(at, s, predict(x=x, out=y))
    finally:
        v1.enable_control_flow_v2()
    return Case({"x": floats(4)})
