"""Exported graphs compute what Keras computes: the same losses, metrics, predictions, updates."""

import linecache
import os
import re
import sys
import types
from pathlib import Path

import graph_models as models
import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_models import batches
from graph_session import Graph, owner, read
from tensorflow.core.framework import variable_pb2
from tfos.graph import export_training

STEPS = 20


class Case:
    """An exported model, batches, and what its SavedModel and Keras make of them."""

    def __init__(self, path, model, arguments, make):
        self.path, self.model = str(path), model
        self.batches = batches(STEPS, make)
        export_training(model, path=path, **arguments)
        self.loaded = tf.saved_model.load(self.path)

    def call(self, name, batch):
        found = self.loaded.signatures[name](**{k: tensor(v) for k, v in batch.items()})
        return {key: one.numpy() for key, one in found.items()}

    def features(self, batch):
        names = read(self.path).signature_def["serving_default"].inputs
        return {name: batch[name] for name in names}


def tensor(value):
    return tf.constant(value.tolist() if value.dtype == object else value)


def assert_same(got, want):
    """Numbers by name, to float32's rounding; got may have more names."""
    for name, one in want.items():
        np.testing.assert_allclose(got[name], one, rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    made = {
        "perceptron": (*models.perceptron(), models.classes),
        "noisy": (*models.noisy(), models.classes),
        "wide_and_deep": (*models.wide_and_deep(), models.ratings),
    }
    return {name: Case(folder / name, *case) for name, case in made.items()}


@pytest.fixture(scope="module", params=["perceptron", "noisy", "wide_and_deep"])
def case(request, cases):
    return cases[request.param]


@pytest.fixture(scope="module")
def curve(case):
    """What the loaded SavedModel says of STEPS steps, and Keras of the same; then they are asked
    for an evaluation and predictions of the first batch."""
    evaluated = case.call("evaluate", case.batches[0])
    kept = [one.numpy() for one in case.loaded.kept]
    ours = [case.call("train", batch) for batch in case.batches]
    moved = [one.numpy() for one in case.loaded.kept]
    theirs, rates = [], []
    first = keras_values(case, "test_on_batch", case.batches[0])
    for batch in case.batches:
        rates.append(float(case.model.optimizer.learning_rate))
        theirs.append(keras_values(case, "train_on_batch", batch))
    return {
        "evaluated": (evaluated, first),
        "variables": (kept, moved),
        "train": (ours, theirs),
        "rates": rates,
    }


def keras_values(case, what, batch):
    """Keras's loss and metrics of one batch alone."""
    case.model.reset_metrics()
    features = {name: tensor(one) for name, one in case.features(batch).items()}
    labels = {name: one for name, one in batch.items() if name not in features}
    x = features if len(features) > 1 else next(iter(features.values()))
    y = labels if len(labels) > 1 else labels["y"]
    return getattr(case.model, what)(x, y, return_dict=True)


def test_train_is_keras_training(curve):
    ours, theirs = curve["train"]
    for got, want in zip(ours, theirs, strict=True):
        assert_same(got, want)
    assert theirs[-1]["loss"] != pytest.approx(theirs[0]["loss"], rel=0.02)


def test_steps_are_counted_and_the_rate_is_said(curve):
    ours, _ = curve["train"]
    assert [one["global_step"] for one in ours] == list(range(1, STEPS + 1))
    np.testing.assert_allclose([one["learning_rate"] for one in ours], curve["rates"], rtol=1e-6)


def test_evaluate_is_keras_evaluate(case, curve):
    got, want = curve["evaluated"]
    assert set(want) <= set(got)
    assert_same(got, want)
    before = [one.numpy() for one in case.loaded.kept]
    trained = case.call("evaluate", case.batches[1])
    assert_same(trained, keras_values(case, "test_on_batch", case.batches[1]))
    for was, one in zip(before, case.loaded.kept, strict=True):
        np.testing.assert_array_equal(was, one.numpy(), err_msg="evaluate updates nothing")


def test_serving_is_predict(case, curve):
    features = case.features(case.batches[2])
    got = case.call("serving_default", features)
    given = {name: tensor(one) for name, one in features.items()}
    want = case.model(given if len(given) > 1 else given["x"], training=False)
    assert_same(got, want if isinstance(want, dict) else {"output_0": want})


def test_a_session_over_the_graph_does_the_same(case, curve, tmp_path):
    """And goes on from a checkpoint that it has written, in another session."""
    ours, _ = curve["train"]
    half = STEPS // 2
    with Graph(case.path) as graph:
        for batch, want in zip(case.batches[:half], ours[:half], strict=True):
            assert_same(graph.run("train", batch), want)
        graph.save(str(tmp_path / "ckpt"))
    with Graph(case.path, checkpoint=str(tmp_path / "ckpt")) as graph:
        for batch, want in zip(case.batches[half:], ours[half:], strict=True):
            assert_same(graph.run("train", batch), want)
        last = graph.variables()
    for name, value in zip(last, curve["variables"][1], strict=True):
        np.testing.assert_allclose(last[name], value, rtol=2e-4, atol=1e-5, err_msg=name)


def test_a_checkpoint_has_variables_by_their_names(case, tmp_path):
    with Graph(case.path) as graph:
        graph.save(str(tmp_path / "ckpt"))
        values = graph.variables()
    reader = tf.train.load_checkpoint(str(tmp_path / "ckpt"))
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    keys = {name + end for name in values}
    assert set(reader.get_variable_to_shape_map()) == keys | {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    for name, value in values.items():
        np.testing.assert_array_equal(reader.get_tensor(name + end), value)
    assert "global_step" in values


def test_a_checkpoint_in_place_of_variables_is_a_saved_model(cases, tmp_path):
    """TensorFlow 2 loads it, with what training has made of the variables."""
    case = cases["perceptron"]
    copy = tmp_path / "model"
    tf.io.gfile.makedirs(str(copy / "variables"))
    tf.io.gfile.copy(os.path.join(case.path, "saved_model.pb"), str(copy / "saved_model.pb"))
    with Graph(case.path) as graph:
        for batch in case.batches[:3]:
            graph.run("train", batch)
        graph.save(str(copy / "variables" / "variables"))
        want = graph.run("evaluate", case.batches[0])
    loaded = tf.saved_model.load(str(copy))
    batch = {name: tensor(one) for name, one in case.batches[0].items()}
    assert_same(loaded.signatures["evaluate"](**batch), want)


def test_variable_names_are_keras_paths(cases):
    with Graph(cases["wide_and_deep"].path) as graph:
        found = graph.variables()
    assert {"users/embeddings", "films/embeddings", "stars/kernel", "sgd/iteration"} <= set(found)


def test_batch_statistics_and_seeds_are_variables_that_move(cases):
    case = cases["noisy"]
    with Graph(case.path) as graph:
        before = graph.variables()
        graph.run("train", case.batches[0])
        after = graph.variables()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {"noisy/norm/moving_mean", "noisy/norm/moving_variance"} <= moved
    assert any("seed_generator_state" in name for name in moved)


def test_an_embedding_is_updated_by_rows(cases):
    """Its gradient is never as large as its table."""
    case = cases["wide_and_deep"]
    functions = read(case.path).graph_def.library.function
    ops = [node.op for function in functions for node in function.node_def]
    assert ops.count("ResourceScatterSub") == 4  # two tables, with members and without
    with Graph(case.path) as graph:
        before = graph.variables()["films/embeddings"]
        graph.run("train", case.batches[0])
        after = graph.variables()["films/embeddings"]
    changed = set(np.flatnonzero((before != after).any(1)))
    assert changed and changed <= set(case.batches[0]["film"].ravel())


def test_optimizer_state_belongs_to_its_variable(cases):
    """With _class: slot variables in the graph, and the updates' operations in functions."""
    meta = read(cases["perceptron"].path)
    slots = {n.name: owner(n) for n in meta.graph_def.node if n.op == "VarHandleOp" and owner(n)}
    assert slots == {
        f"adam/{layer}_{part}_{moment}": f"{layer}/{part}"
        for layer in ("hidden", "logits")
        for part in ("kernel", "bias")
        for moment in ("momentum", "velocity")
    }
    owners = {
        owner(node)
        for function in meta.graph_def.library.function
        for node in function.node_def
        if node.op == "ResourceApplyAdam"
    }
    assert owners == set(slots.values())


def test_collections_list_the_variables(cases):
    meta = read(cases["noisy"].path)
    lists = {
        key: [
            variable_pb2.VariableDef.FromString(one)
            for one in meta.collection_def[key].bytes_list.value
        ]
        for key in ("variables", "trainable_variables", "global_step")
    }
    names = {key: [one.variable_name for one in found] for key, found in lists.items()}
    handles = {f"{node.name}:0" for node in meta.graph_def.node if node.op == "VarHandleOp"}
    assert set(names["variables"]) == handles
    assert names["global_step"] == ["global_step:0"]
    trained = [
        f"noisy/{layer}/{part}:0" for layer in ("first", "last") for part in ("kernel", "bias")
    ]
    assert sorted(names["trainable_variables"]) == sorted(
        ["noisy/norm/gamma:0", "noisy/norm/beta:0", *trained]
    )
    marked = [one.variable_name for one in lists["variables"] if one.trainable]
    assert marked == names["trainable_variables"]


def test_two_processes_name_variables_alike(cases, tmp_path):
    """Whatever else they have made before, where layers have names."""
    keras.layers.Dense(1)(np.zeros((1, 1)))
    model, arguments = models.noisy()
    export_training(model, path=tmp_path / "again", **arguments)
    first, again = read(cases["noisy"].path), read(str(tmp_path / "again"))
    key = "variables"
    assert first.collection_def[key].bytes_list.value == again.collection_def[key].bytes_list.value


def test_a_module_with_its_own_step(tmp_path):
    module = models.Line()
    path = str(tmp_path / "line")
    export_training(module, None, None, path, inputs=models.LINE)
    with Graph(path) as graph:
        for batch in batches(STEPS, models.classes):
            given = {name: tensor(one) for name, one in batch.items()}
            evaluated = graph.run("evaluate", batch)
            assert_same(evaluated, module.evaluate_step(**given))
            got = graph.run("train", batch)
            assert_same(got, module.train_step(**given))
        served = graph.run("serving_default", {"x": batch["x"]})
        assert_same(served, module.predict_step(tensor(batch["x"])))
        assert got["global_step"] == STEPS
        assert set(graph.variables()) == {"Variable", "Variable_1", "global_step"}


def test_the_page_is_true(tmp_path, monkeypatch):
    """The programs of docs/graph-programs.md run, in order, and each graph trains."""
    page = Path(__file__).resolve().parents[2] / "docs" / "graph-programs.md"
    programs = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "page", page_module := types.ModuleType("page"))
    for i, program in enumerate(programs):
        lines = f"page_{i}", *program.splitlines(keepends=True)
        linecache.cache[lines[0]] = (len(program), None, list(lines[1:]), lines[0])
        exec(compile(program, lines[0], "exec"), page_module.__dict__)
    every = {"train", "train_all_reduce", "evaluate", "serving_default"}
    line = {"x": np.ones((4, 1), "float32"), "y": np.full((4, 1), 2, "float32")}
    rated = {"user": np.array(["ann", "zoe"], object), "age": np.ones((2, 1), "float32")}
    for path, names, batch in [
        ("model", every, rated | {"y": np.ones(2, "float32")}),
        ("line", every, line),
        ("by_hand", {"train"}, line),
    ]:
        with Graph(path) as graph:
            assert names == {n for n in graph.meta.signature_def if not n.startswith("__")}
            losses = [graph.run("train", batch) for _ in range(3)]
        assert losses[2]["loss"] < losses[0]["loss"] and losses[2]["global_step"] == 3


def test_one_member_alone_can_run_the_graph_for_many(cases):
    case = cases["perceptron"]
    with Graph(case.path) as graph, Graph(case.path) as alone:
        for batch in case.batches[:3]:
            many = graph.run("train_all_reduce", batch | {"group_size": 1})
            assert_same(many, alone.run("train", batch))


def test_a_graph_runs_alone_without_a_group(cases):
    """Neither train nor what else there is but train_all_reduce has collective operations."""
    meta = read(cases["wide_and_deep"].path)
    functions = {f.signature.name: f for f in meta.graph_def.library.function}

    def collectives(function):
        ops = [node.op for node in function.node_def if node.op.startswith("Collective")]
        called = [n.attr["f"].func.name for n in function.node_def if "f" in n.attr]
        return ops + [op for name in called for op in collectives(functions[name])]

    found = {}
    for key, signature in meta.signature_def.items():
        call = next(iter(signature.outputs.values())).name.partition(":")[0]
        (node,) = [one for one in meta.graph_def.node if one.name == call]
        if "f" in node.attr:
            found[key] = collectives(functions[node.attr["f"].func.name])
    assert found.pop("train_all_reduce")
    assert found and not any(found.values())


def test_inputs_need_not_be_in_the_order_of_their_names(tmp_path):
    b, a = keras.Input((1,), name="b"), keras.Input((1,), name="a")
    model = keras.Model([b, a], keras.layers.Subtract(name="difference")([b, a * 10.0]))
    trained = keras.Model([b, a], keras.layers.Dense(1, kernel_initializer="ones")(model([b, a])))
    export_training(trained, "sgd", "mse", str(tmp_path / "graph"))
    loaded = tf.saved_model.load(str(tmp_path / "graph"))
    rows = {"a": tf.constant([[1.0]]), "b": tf.constant([[2.0]])}
    served = loaded.signatures["serving_default"](**rows)["output_0"]
    np.testing.assert_allclose(served, [[-8.0]])
    evaluated = loaded.signatures["evaluate"](**rows, y=tf.constant([-8.0]))
    np.testing.assert_allclose(evaluated["loss"], 0.0)
