"""The examples without servers: tf_config, all_reduce, keras_fit, independent.

Their data are the digits in three files of odd sizes: under TF-native input worker 0 has
nearly four times the rows of worker 1.
"""

import itertools
import json
import math
import re
import signal
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest
import warm
from harness import ROOT, accuracy, flags

CUTS = [0, 700, 1001, 1437]  # rows of the files: 700, 301, 436
ROWS, SHARES = 1437, [700 + 436, 301]
LOST = 9 * 32  # what may be dropped: 3 feed tasks, each up to 3 chunks ahead at one worker

INFER = """\
export_dir: {folder}/export
input: {{path: {data}/test}}
input_mapping: {{image: image}}
keep: [label]
output: {{path: {folder}/predictions}}
"""
CLI = "from tensorflow.python.tools.saved_model_cli import main; main()"


@pytest.fixture(scope="module")
def data(tmp_path_factory, digits, tensorflow_python):
    """A folder with train (parquet), records (TFRecords) and test."""
    folder = tmp_path_factory.mktemp("uneven")
    rows = pq.read_table(digits / "train")
    (folder / "train").mkdir()
    for i, (first, end) in enumerate(itertools.pairwise(CUTS)):
        pq.write_table(rows.slice(first, end - first), folder / "train" / f"part-{i}.parquet")
    script = ROOT / "configs" / "digits" / "make_tfrecords.py"
    make = warm.script(script, folder / "train", folder / "records")
    subprocess.run([tensorflow_python, *make], check=True, capture_output=True)
    (folder / "test").symlink_to(digits / "test")
    return folder


@pytest.fixture
def argv(job, any_master):
    """The command line of an example with outputs in the test's folder."""

    def argv(example, data, **settings):
        job.run_id = f"{example}-{len(list((job.folder / 'state').glob('runs/*')))}"
        job.run_id = job.run_id.replace("_", "-")
        settings |= {
            "input.path": data,
            "model_dir": job.folder / "model",
            "spark.master": any_master(2),
        }
        if example in ("all_reduce", "keras_fit"):
            settings["export_dir"] = job.folder / "export"
        sets = flags("--set", settings)
        return ["train", ROOT / "configs" / "examples" / example / "job.yaml", *sets]

    return argv


@pytest.fixture
def run(job, argv):
    def run(example, data, **settings):
        result = job.run(*argv(example, data, **settings))
        assert result.code == 0, result.stderr
        job.assert_clean()
        return result

    return run


def test_all_reduce_in_both_input_modes(job, run, data):
    """Fed by Spark, then by one other key TF-native, from the checkpoint of the first run on."""
    records = {"app.python.args.records": data / "records"}
    result = run("all_reduce", data / "train", epochs=3, **records)
    trained = in_step(result, read=3 * ROWS)
    assert result.verdict["artifacts"] == [
        {"kind": "saved_model", "path": str(job.folder / "export")}
    ]
    middle = steps_of(trained)
    assert steps(job) == [(0, middle)] * 2

    result = run("all_reduce", data / "train", epochs=2, input_mode="tensorflow", **records)
    assert result.verdict["rows"]["read"] == 0
    # Worker 1 takes part without rows in the steps that only worker 0 has rows for.
    last = middle + steps_of(2 * SHARES[0])
    assert steps(job) == [(middle, last)] * 2
    assert (job.folder / "model" / f"ckpt-{last}.index").exists()
    assert accuracy(job.folder / "export", data) > 0.9


def test_keras_fit(job, run, data, tensorflow_python):
    result = run("keras_fit", data / "train", epochs=6, steps=120)
    assert in_step(result, read=None) == 120 * 32
    assert [line.split()[-1] for line in said(job, "training starts at step")] == ["0", "0"]
    assert not list((job.folder / "model" / "backup").glob("*/ckpt*"))  # done: nothing to go on

    command = [tensorflow_python, "-c", CLI, "show", "--dir", job.folder / "export", "--all"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "signature_def['serving_default']" in shown
    assert re.search(r"inputs\['image'\].*\n.*DT_FLOAT\n.*\(-1, 64\)", shown)

    path = job.folder / "infer.yaml"
    path.write_text(INFER.format(folder=job.folder, data=data))
    job.run_id = "keras-fit-infer"
    result = job.run("infer", path, "--local")
    assert result.code == 0, result.stderr
    table = pq.read_table(job.folder / "predictions")
    (output,) = set(table.column_names) - {"label"}
    guess = np.array(table[output].to_pylist()).argmax(axis=1)
    assert (guess == table["label"].to_numpy()).mean() > 0.9


def test_script_that_only_knows_tf_config(job, run, data):
    run("tf_config", data / "records", epochs=3)
    seen = [json.loads(line.partition(" ")[2]) for line in said(job, "TF_CONFIG")]
    assert [config["task"] for config in seen] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
    ]
    assert seen[0]["cluster"] == seen[1]["cluster"]
    assert list(seen[0]["cluster"]) == ["worker"]
    assert len(set(seen[0]["cluster"]["worker"])) == 2
    losses = [said(job, f"epoch {n}: loss")[0].split()[-1] for n in (1, 2, 3)]
    for n, loss in enumerate(losses, 1):
        assert said(job, f"epoch {n}: loss") == [f"epoch {n}: loss {loss}"] * 2  # in step
    assert float(losses[-1]) < 0.7 * float(losses[0])
    assert (job.folder / "model" / "ckpt-3.index").exists()


def test_independent_members_have_their_own_shards(job, run, data):
    result = run("independent", data / "records")
    assert result.verdict["rows"]["read"] == 0
    folder = job.folder / "model"
    results = [json.loads((folder / f"member-{i}.json").read_text()) for i in range(2)]
    names = [["part-0.tfrecord", "part-2.tfrecord"], ["part-1.tfrecord"]]
    assert [one["files"] for one in results] == names
    assert [one["rows"] for one in results] == SHARES
    import keras

    models = [keras.models.load_model(folder / f"member-{i}.keras") for i in range(2)]
    assert accuracy(lambda images: sum(model(images) for model in models), data) > 0.85


@pytest.mark.slow
def test_keras_fit_goes_on_where_it_was_cut_off(job, argv, run, data):
    backup = job.folder / "model" / "backup" / "chief"
    job.start(*argv("keras_fit", data / "train", epochs=1_000, steps=20_000))
    job.wait_for(lambda: list(backup.glob("ckpt-*.index")), what="backup")
    job.process.send_signal(signal.SIGTERM)
    assert job.wait().code == 143
    job.assert_clean()
    cut = saved_steps(backup)
    assert cut > 0 and cut % 20 == 0
    run("keras_fit", data / "train", steps=cut + 40)
    assert [line.split()[-1] for line in said(job, "training starts at step")] == [str(cut)] * 2


def in_step(result, read):
    """Check the account of two workers in step; return the rows that each has trained."""
    account = result.verdict["rows"]
    assert account["read"] == account["trained"] + account["dropped"]
    assert account["dropped"] <= LOST
    if read is not None:
        assert account["read"] == read
    rows = [
        sum(feed["trained"] for feed in result.verdict["feeds"] if feed["member"] == f"worker:{i}")
        for i in range(2)
    ]
    assert rows[0] == rows[1]
    return rows[0]


def steps_of(rows):
    """The strategy cuts each batch of 2 x 32 rows in two, a shorter last one too."""
    return 2 * math.ceil(rows / 64)


def said(job, start):
    """The one line that starts so in each worker's log of the last run; {i}: its index."""
    found = []
    for i in range(2):
        logs = list(job.folder.glob(f"state/runs/{job.run_id}/logs/worker-{i}.log"))
        if not logs:  # a standalone master's executors keep them
            logs = job.shared_temp.parent.glob(f"work-*/*/*/tfos-worker-{i}.log")
        lines = max(logs, key=lambda log: log.stat().st_mtime).read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(start.format(i=i))]
        found.append(line)
    return found


def steps(job):
    """(first, last) step of each worker of all_reduce."""
    starts, ends = said(job, "worker:{i} starts at step"), said(job, "worker:{i} ends at step")
    pairs = zip(starts, ends, strict=True)
    return [tuple(int(line.split()[-1]) for line in pair) for pair in pairs]


def saved_steps(backup):
    """The optimizer's steps in a backup."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(backup))
    (name,) = [name for name in reader.get_variable_to_shape_map() if "_iterations" in name]
    return int(reader.get_tensor(name))
