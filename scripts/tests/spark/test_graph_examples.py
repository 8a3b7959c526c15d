"""The examples of graph programs, configs/graph: they train on real Spark without Python, and what
they export predicts what Python predicts from their last checkpoint."""

import importlib.util
import math
import pathlib
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from harness import ROOT, accuracy, flags

EXAMPLES = ROOT / "configs" / "graph"
ROWS, HELD_OUT = 1437, 360  # digits
EPOCHS = 4
FEEDS = {"train": "train", "validation": "test"}
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# What needs Python on an executor fails.
NO_PYTHON = "spark.conf={spark.pyspark.python: /nonexistent, spark.executorEnv.PATH: /nonexistent}"


def script(example, name="make_model"):
    """A script of an example as a module."""
    path = EXAMPLES / example / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{example}_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """(example) -> its graph, which make_model.py makes once."""
    folder, made = tmp_path_factory.mktemp("graphs"), set()

    def make(example, *arguments):
        if example not in made:
            made.add(example)
            with pytest.MonkeyPatch.context() as patch:
                patch.syspath_prepend(EXAMPLES / example)
                script(example).main(*map(str, arguments), str(folder / example))
        return folder / example

    return make


@pytest.fixture
def run(job, any_master):
    """Train an example with its outputs in the test's folder; its graph is at a path."""

    def run(example, path, *more, **settings):
        runs = len(list((job.folder / "state").glob("runs/*")))
        job.run_id = f"{example}-{runs}".replace("_", "-")
        defaults = {"app.graph.path": path, "model_dir": job.folder / "model"}
        settings = defaults | {"tensorflow.lib_dir": ROOT / ".libtensorflow"} | settings
        if "--local" not in more:
            settings |= {"spark.master": any_master(4)}
            more = [*more, "--set", NO_PYTHON]
        sets = flags("--set", settings)
        result = job.run("train", EXAMPLES / example / "job.yaml", *sets, *more)
        assert result.code == 0, result.stderr
        account = result.verdict["rows"]
        assert account["read"] == account["trained"] + account["dropped"] + account["quarantined"]
        job.assert_clean()
        return result

    return run


@pytest.fixture
def digits_paths(job, digits):
    return {"input.path": digits / "train", "export_dir": job.folder / "export", "epochs": EPOCHS}


def trained(result, feed="train"):
    """member -> rows trained in all epochs."""
    rows = Counter()
    for one in result.verdict["feeds"]:
        if one["feed"] == feed:
            rows[one["member"]] += one["trained"]
    return rows


def test_every_example_is_tested():
    names = {path.parent.name for path in EXAMPLES.glob("*/job.yaml")}
    assert names == {
        "all_reduce",
        "digits",
        "model_parallel",
        "tensorflow_1",
        "transfer",
        "wide_and_deep",
    }


def load_weights(model, folder):
    """Gives a Keras model the values of the newest checkpoint, by the variables' names."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder))
    for one in model.variables:
        one.assign(reader.get_tensor(one.path + VALUE))
    return reader


def assert_exported_is_checkpoint(model, job, digits):
    """Keras with the checkpoint's values predicts what the export predicts."""
    load_weights(model, job.folder / "model")
    images = np.array(pq.read_table(digits / "test")["image"].to_pylist(), np.float32)
    exported = tf.saved_model.load(str(job.folder / "export")).signatures["serving_default"]
    (got,) = exported(image=tf.constant(images)).values()
    np.testing.assert_allclose(got, model(images), rtol=1e-4, atol=1e-6)


def test_digits(job, run, graph, digits):
    """Two workers and a parameter server reach what one member reaches; every update counts."""
    path, epochs = graph("digits"), 12  # until more rows teach little: workers' rates differ
    paths = {f"input.{feed}.path": digits / part for feed, part in FEEDS.items()}
    more = {**paths, "export_dir": job.folder / "export", "epochs": epochs}
    result = run("digits", path, **more)
    rows = trained(result)
    assert rows.keys() == {"worker:0", "worker:1"} and sum(rows.values()) == epochs * ROWS
    steps = sum(math.ceil(one / 32) for one in rows.values())
    assert result.verdict["train"]["step"] == result.verdict["train"]["steps"] == steps
    assert tf.train.latest_checkpoint(job.folder / "model").endswith(f"ckpt-{steps}")
    assert_exported_is_checkpoint(script("digits").build_model(), job, digits)
    together = accuracy(job.folder / "export", digits)
    assert result.verdict["train"]["evaluated"]["accuracy"] == pytest.approx(together, abs=1e-5)
    alone = run("digits", path, "--local", **more, model_dir=job.folder / "alone")
    assert alone.verdict["train"]["steps"] == math.ceil(epochs * ROWS / 32)
    assert together > 0.9
    assert together > alone.verdict["train"]["evaluated"]["accuracy"] - 0.03


def test_wide_and_deep(job, run, graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    script("wide_and_deep", "make_data").main(folder)
    paths = {f"input.{feed}.path": folder / part for feed, part in FEEDS.items()}
    result = run("wide_and_deep", graph("wide_and_deep"), **paths, export_dir=job.folder / "export")
    assert sum(trained(result).values()) == 2 * 40_000
    test = pq.read_table(folder / "test")
    exported = tf.saved_model.load(str(job.folder / "export")).signatures["serving_default"]
    names = ["user", "film", "country", "genre", "age"]
    features = {name: tf.constant(test[name].to_pylist()) for name in names}
    (liked,) = exported(**features).values()
    right = (np.ravel(liked) > 0.5) == (test["liked"].to_numpy() > 0.5)
    assert right.mean() > 0.75
    said = result.verdict["train"]["evaluated"]["accuracy"]
    assert said == pytest.approx(right.mean(), abs=1e-3)
    newest = tf.train.latest_checkpoint(job.folder / "model")
    reader = tf.train.load_checkpoint(newest)
    assert reader.get_tensor("users/embeddings" + VALUE).shape == (20_001, 16)
    assert result.verdict["train"]["divided"] == ["films/embeddings", "users/embeddings"]
    of_server = [pathlib.Path(f"{newest}.data-0000{i}-of-00002").stat().st_size for i in range(2)]
    assert min(of_server) > 0.9 * max(of_server), "each server holds half of the embeddings"


@pytest.mark.parametrize("mode", ["spark", "tensorflow"])
def test_all_reduce(job, run, graph, digits, digits_paths, mode):
    readers = {"readers": 2} if mode == "tensorflow" else {}
    result = run("all_reduce", graph("all_reduce"), **digits_paths, **readers, input_mode=mode)
    assert result.verdict["rows"]["read"] == EPOCHS * ROWS
    rows = trained(result)
    assert rows["worker:0"] == rows["worker:1"], "each step is of both workers"
    assert result.verdict["train"]["step"] == rows["worker:0"] // 32
    assert_exported_is_checkpoint(script("all_reduce").build_model(), job, digits)
    assert accuracy(job.folder / "export", digits) > 0.9


def test_model_parallel(job, run, graph, digits, digits_paths):
    """The half on worker 1 is served until the chief has saved it."""
    result = run("model_parallel", graph("model_parallel"), **digits_paths)
    assert sum(trained(result).values()) == EPOCHS * ROWS
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(job.folder / "model"))
    steps = result.verdict["train"]["step"]
    assert reader.get_tensor("global_step" + VALUE) == steps
    assert accuracy(job.folder / "export", digits) > 0.9


def test_tensorflow_1(job, run, graph, digits):
    """The folder of checkpoints is the model that is run."""
    path = graph("tensorflow_1") / "graph.meta"
    settings = {"input.path": digits / "train", "epochs": EPOCHS}
    result = run("tensorflow_1", path, **settings)
    assert sum(trained(result).values()) == EPOCHS * ROWS
    predictions = job.folder / "predictions"
    sets = {"model_dir": job.folder / "model", "input.path": digits / "test"}
    sets["output.path"] = predictions
    job.run_id += "-infer"
    inferred = job.run("infer", EXAMPLES / "tensorflow_1" / "infer.yaml", *flags("--set", sets))
    assert inferred.code == 0, inferred.stderr
    table = pq.read_table(predictions)
    guess = np.array(table["probabilities"].to_pylist()).argmax(axis=1)
    assert len(guess) == HELD_OUT and (guess == table["label"].to_numpy()).mean() > 0.9


def test_transfer(job, run, graph, digits, digits_paths):
    """The layer that is not trained keeps the values of the other model."""
    made = graph("transfer", digits / "train")
    paths = {**digits_paths, "app.graph.init_from": made / "pretrained"}
    result = run("transfer", made / "graph", "--local", **paths)
    assert result.verdict["train"]["init_from"].startswith("4 of 6 variables")
    pretrained = tf.saved_model.load(str(made / "pretrained"))
    (first,) = [one for one in pretrained.variables if one.shape == (64, 128)]
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(job.folder / "model"))
    np.testing.assert_array_equal(reader.get_tensor("first/kernel" + VALUE), first.numpy())
    assert accuracy(job.folder / "export", digits) > 0.9
