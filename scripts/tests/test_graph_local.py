"""`tfos train --local` of graph programs: real bin/tfos and TensorFlow, no Spark, no Java. What is
trained is compared with the same graph in Python, step by step on the same batches."""

import json
import signal

import graph_models as models
import graph_session
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from graph_models import ROWS
from tfos.graph import export_training

STEPS = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A graph program with a table, embeddings and several labels."""
    path = str(tmp_path_factory.mktemp("m") / "model")
    made, arguments = models.wide_and_deep()
    export_training(made, path=path, **arguments)
    return path


@pytest.fixture(scope="module")
def batches():
    return models.batches(STEPS, models.ratings)


@pytest.fixture
def train(job, model, batches):
    """(keys of the job file) -> the Result of tfos train --local. None leaves a key out."""
    data = models.write(job.folder / "data.parquet", batches)

    def start(**keys):
        all_keys = {
            "app": {"graph": {"path": model}},
            "input": {"path": str(data)},
            "batch_size": ROWS,
            "model_dir": "ckpt",
            "local": True,
            **keys,
        }
        path = job.folder / "job.yaml"
        path.write_text(json.dumps({k: v for k, v in all_keys.items() if v is not None}))
        job.run_id += "i"  # each run has a record of its own
        return job.start("train", path)

    return lambda **keys: start(**keys).wait()


def python(model, batches, start=None):
    """The variables after these batches, and the values of the steps."""
    with graph_session.Graph(model, checkpoint=start) as graph:
        values = [graph.run("train", batch) for batch in batches]
        return graph.variables(), values


def assert_checkpoint(prefix, want, rtol=1e-5):
    """The checkpoint, read by Python, has these variables."""
    reader = tf.train.load_checkpoint(str(prefix))
    assert want
    for name, value in want.items():
        have = reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        np.testing.assert_allclose(have, value, rtol=rtol, atol=1e-7, err_msg=name)


def test_trains_as_python(train, job, model, batches):
    result = train(export_dir="export")
    assert result.code == 0, result.stderr
    want, values = python(model, batches)
    trained = result.verdict["train"]
    assert (trained["step"], trained["steps"], trained["stopped"]) == (STEPS, STEPS, "rows")
    assert tf.train.latest_checkpoint(str(job.folder / "ckpt")) == trained["checkpoint"]
    assert_checkpoint(trained["checkpoint"], want)
    assert result.verdict["rows"] == {
        "read": STEPS * ROWS, "trained": STEPS * ROWS, "dropped": 0, "quarantined": 0
    }  # fmt: skip
    # The last report is a mean over the last steps, of which there may be one.
    losses = [one["loss"] for one in values]
    assert min(losses) <= trained["metrics"]["loss"] <= max(losses)

    serve = tf.saved_model.load(str(job.folder / "export")).signatures["serving_default"]
    inputs = {name: tf.constant(batches[0][name]) for name in ("user", "film", "age")}
    exported = {name: value.numpy() for name, value in serve(**inputs).items()}
    with graph_session.Graph(model, checkpoint=trained["checkpoint"]) as graph:
        for name, value in graph.run("serving_default", {k: batches[0][k] for k in inputs}).items():
            np.testing.assert_allclose(exported[name], value, rtol=1e-5, err_msg=name)


def test_goes_on(train, model, batches):
    """A second run goes on from the checkpoint of the first, with the optimizer's state."""
    first = train(steps=5)
    assert first.code == 0, first.stderr
    half, _ = python(model, batches[:5])
    assert_checkpoint(first.verdict["train"]["checkpoint"], half)
    second = train(steps=9)
    assert second.code == 0, second.stderr
    assert "goes on from step 5" in second.stderr
    trained = second.verdict["train"]
    assert (trained["step"], trained["steps"]) == (9, 4)
    whole, _ = python(model, batches[:4], start=first.verdict["train"]["checkpoint"])
    assert_checkpoint(trained["checkpoint"], whole)
    third = train(steps=9)
    assert third.code == 0 and "nothing to do" in third.stderr
    assert third.verdict["phase"] == "skipped"


def test_half_a_checkpoint(train, job):
    """The newest complete one is taken, and said."""
    first = train(checkpoint={"every_steps": 5})
    assert first.code == 0, first.stderr
    data = job.folder / "ckpt" / f"ckpt-{STEPS}.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    second = train()
    assert second.code == 0, second.stderr
    assert f"ckpt-{STEPS}" in second.stderr and "goes on from step 10" in second.stderr
    assert second.verdict["train"]["step"] == 10 + STEPS


def test_events_and_validation(train, job, model, batches):
    data = models.write(job.folder / "more" / "validation.parquet", batches[:3])
    result = train(
        input={"train": {"path": "data.parquet"}, "validation": {"path": str(data)}},
        checkpoint={"every_steps": 4},
    )
    assert result.code == 0, result.stderr
    with graph_session.Graph(model, checkpoint=result.verdict["train"]["checkpoint"]) as graph:
        values = [graph.run("evaluate", batch)["loss"] for batch in batches[:3]]
    assert result.verdict["train"]["evaluated"]["loss"] == pytest.approx(np.mean(values), rel=1e-5)
    assert {
        "loss",
        "learning_rate",
        "steps_per_second",
        "rows_per_second",
        "feed_wait_percent",
    } <= events(job.folder / "ckpt").keys()
    evaluated = events(job.folder / "ckpt" / "eval")["loss"]
    assert [step for step, _ in evaluated] == [4, 8, 12]
    assert evaluated[-1][1] == pytest.approx(np.mean(values), rel=1e-5)


def events(folder):
    """{tag: [(step, value)]} of the folder's event files."""
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_early_stopping(train, job, batches):
    data = models.write(job.folder / "more" / "validation.parquet", batches[:3])
    result = train(
        input={"train": {"path": "data.parquet"}, "validation": {"path": str(data)}},
        checkpoint={"every_steps": 2},
        early_stopping={"metric": "loss", "patience": 2, "min_delta": 1000.0},
        epochs=50,
    )
    assert result.code == 0, result.stderr
    trained = result.verdict["train"]
    assert (trained["stopped"], trained["step"]) == ("early stopping", 6)
    rows = result.verdict["rows"]
    assert rows["read"] == rows["trained"] + rows["dropped"]


def test_a_loss_that_is_not_finite(train, job, model, batches):
    broken = [dict(one) for one in batches]
    broken[3]["age"] = broken[3]["age"].copy()
    broken[3]["age"][5] = np.nan
    data = models.write(job.folder / "broken.parquet", broken)
    result = train(input={"path": str(data)})
    assert result.code == 6
    first = 3 * ROWS
    cause = result.verdict["cause"]
    assert "step 4" in cause and "column age" in cause and "on_non_finite: skip" in cause
    assert f"rows {first} to {first + ROWS - 1} of partition 0" in cause
    result = train(input={"path": str(data)}, on_non_finite="skip", model_dir="skipping")
    assert result.code == 0, result.stderr
    trained = result.verdict["train"]
    assert (trained["step"], trained["skipped"]) == (STEPS - 1, 1)
    want, _ = python(model, batches[:3] + batches[4:])
    assert_checkpoint(trained["checkpoint"], want)


def test_columns_that_do_not_fit(train, job, batches):
    rows = [{**one, "film": one["film"].astype("float64")} for one in batches]
    result = train(input={"path": str(models.write(job.folder / "floats.parquet", rows))})
    assert result.code == 6
    assert "film" in result.stderr and "int64" in result.stderr
    assert not (job.folder / "ckpt").exists()


@pytest.mark.parametrize(
    ("keys", "code", "says"),
    [
        ({"train_signature": "learn"}, 2, ["learn", "train", "serving_default"]),
        ({"train_signature": "serving_default"}, 2, ["loss"]),
        ({"path": "/nowhere"}, 2, ["/nowhere"]),
        ({"init_from": "/nowhere"}, 2, ["/nowhere", "init_from"]),
    ],
    ids=lambda value: str(next(iter(value.values()))) if isinstance(value, dict) else None,
)
def test_graphs_that_cannot_train(train, model, keys, code, says):
    result = train(app={"graph": {"path": model, **keys}})
    assert result.code == code, result.stderr
    text = result.stderr + json.dumps(result.verdict)
    assert all(word in text for word in says), text


def test_another_models_checkpoint(train, job, tmp_path_factory):
    """Values of another shape: the error names the variables."""
    other = tmp_path_factory.mktemp("other") / "model"
    export_training(models.Line(), None, None, str(other), inputs=specs())
    (job.folder / "ckpt").mkdir()
    for path in (other / "variables").iterdir():
        name = path.name.replace("variables", "ckpt-3")
        (job.folder / "ckpt" / name).write_bytes(path.read_bytes())
    result = train()
    assert result.code == 2, result.stderr
    assert "users/embeddings" in result.stderr and "ckpt-3" in result.stderr


def specs():
    return {"x": tf.TensorSpec([None, 6], tf.float32), "y": tf.TensorSpec([None], tf.int64)}


def test_interrupted(train, job, model, batches):
    """A checkpoint is written first; the next run goes on from it."""
    keys = {
        "app": {"graph": {"path": model}}, "input": {"path": "data.parquet"}, "batch_size": 1,
        "epochs": 1_000_000, "model_dir": "ckpt", "local": True,
        "checkpoint": {"every_steps": 1_000_000_000},
    }  # fmt: skip
    path = job.folder / "job.yaml"
    path.write_text(json.dumps(keys))
    job.start("train", path)
    job.wait_for(lambda: events(job.folder / "ckpt").get("loss"), what="steps")
    job.process.send_signal(signal.SIGINT)
    result = job.wait()
    assert result.code == 130
    checkpoint = result.verdict["train"]["checkpoint"]
    assert tf.train.latest_checkpoint(str(job.folder / "ckpt")) == checkpoint
    assert checkpoint in result.stderr
    job.assert_clean()


def test_whole_batches(train, job, tmp_path):
    """A graph with a fixed number of rows: the last rows, which fill no batch, are dropped, those
    of the validation too. Too few rows for one batch are an error."""
    path = str(tmp_path / "line")
    fixed = {"x": tf.TensorSpec([8, 6], tf.float32), "y": tf.TensorSpec([8], tf.int64)}
    export_training(models.Line(), None, None, path, inputs=fixed)
    rows = models.batches(1, lambda rng, n: models.classes(rng, 20))

    def start(training, validation, **keys):
        files = {
            name: {"path": str(models.write(job.folder / f"{name}.parquet", [first(rows[0], n)]))}
            for name, n in (("train", training), ("validation", validation))
        }
        return train(app={"graph": {"path": path}}, input=files, batch_size=8, **keys)

    result = start(20, 11, model_dir="a")
    assert result.code == 0, result.stderr
    trained = result.verdict["train"]
    assert (trained["step"], trained["left_out"], trained["eval_left_out"]) == (2, 4, 3)
    counts = result.verdict["rows"]
    assert (counts["read"], counts["trained"], counts["dropped"]) == (31, 24, 7)
    assert "fill no batch, and the graph takes whole ones: 4 dropped" in result.stderr
    with graph_session.Graph(path) as graph:
        for k in (0, 8):
            graph.run("train", {name: column[k : k + 8] for name, column in rows[0].items()})
        assert_checkpoint(trained["checkpoint"], graph.variables())

    for few in ((7, 8), (8, 7)):
        result = start(*few, model_dir="b")
        assert result.code == 6, result.stderr
        assert "has 7 rows, and the graph takes 8 at a time" in result.stderr


def first(batch, n):
    return {name: column[:n] for name, column in batch.items()}


def write_without_saver(path):
    """A program of TensorFlow 1 with the signatures of a step and of a prediction, in a .meta file
    without operations that save or restore."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 6], "x")
        y = v1.placeholder(tf.int64, [None], "y")
        one = v1.ones_initializer()
        # Which kind is the default depends on what else this process has run.
        weight = v1.get_variable("weight", [6, 3], initializer=one, use_resource=True)
        logits = tf.matmul(x, weight)
        loss = v1.losses.sparse_softmax_cross_entropy(y, logits)
        train = v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        with tf.control_dependencies([train]):
            done = tf.identity(loss)
        build, info = v1.saved_model.build_signature_def, v1.saved_model.build_tensor_info
        inputs = {"x": info(x), "y": info(y)}
        signatures = {
            "train": build(inputs, {"loss": info(done)}, "train"),
            "serving_default": build({"x": info(x)}, {"logits": info(logits)}, "predict"),
        }
        meta = v1.train.export_meta_graph(graph=graph)
    for name, signature in signatures.items():
        meta.signature_def[name].CopyFrom(signature)
    path.write_bytes(meta.SerializeToString())


def test_a_graph_without_a_saver(train, job, tmp_path):
    """Its checkpoints are models, for tfos and for Python, and its export loads."""
    graph = tmp_path / "graph.meta"
    write_without_saver(graph)
    rows = models.batches(3, models.classes)
    data = models.write(job.folder / "classes.parquet", rows)
    keys = {"app": {"graph": {"path": str(graph)}}, "input": {"path": str(data)}}
    result = train(**keys, export_dir="export")
    assert result.code == 0, result.stderr
    checkpoint = result.verdict["train"]["checkpoint"]
    weight = tf.train.load_checkpoint(checkpoint).get_tensor("weight")
    assert np.abs(weight - 1).max() > 0.01
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        saver = tf.compat.v1.train.import_meta_graph(f"{checkpoint}.meta")
        saver.restore(session, checkpoint)
        np.testing.assert_array_equal(session.run("weight/Read/ReadVariableOp:0"), weight)
    x = np.concatenate([one["x"] for one in rows])
    served = tf.saved_model.load(str(job.folder / "export")).signatures["serving_default"]
    np.testing.assert_allclose(served(x=tf.constant(x))["logits"], x @ weight, rtol=1e-5)

    job.run_id += "i"
    keys = {"model_dir": "ckpt", "input": {"path": str(data)}, "output": {"path": "out"}}
    path = job.folder / "infer.yaml"
    path.write_text(json.dumps({**keys, "input_mapping": {"x": "x"}, "local": True}))
    inferred = job.start("infer", path).wait()
    assert inferred.code == 0, inferred.stderr
    logits = np.array(pq.read_table(job.folder / "out")["logits"].to_pylist())
    np.testing.assert_allclose(logits, x @ weight, rtol=1e-5)
