"""model_dir on a store, on real servers (make test-stores): members are killed in the middle,
their folders are gone, and the next run goes on from what is at the store."""

import json
import os
import signal
import time

import graph_models as models
import numpy as np
import pytest
import tensorflow as tf
from harness import PROGRAMS
from remote import STORES, on, stores
from stalling import MEMBER, UPLOAD, kill

pytestmark = [pytest.mark.stores, pytest.mark.leases]


@pytest.fixture(scope="module", params=stores("hdfs", "s3"))
def store(request, tmp_path_factory):
    return STORES[request.param](tmp_path_factory.mktemp("conf"))


def start(job, store, **keys):
    """A run with an id of its own; keys of the job file."""
    path = job.folder / "job.yaml"
    path.write_text(json.dumps(keys))
    (job.folder / "none.txt").touch()  # the input of programs that read nothing
    job.run_id += "i"
    return job.start("train", path, env=store.env)


def program(name, url, attempt, hold=None, **more):
    """The job file's keys of a Python program on one executor. hold: the epoch or step after which
    it waits to be killed."""
    args = {"expect_url": url, "attempt": attempt, "hold": hold}
    return {
        "app": {"python": {"file": str(PROGRAMS / name), "function": "main_fun", "args": args}},
        "strategy": "independent",
        "cluster_size": 1,
        "input_mode": "tensorflow",
        "input": {"path": "none.txt"},
        "model_dir": url,
        "spark": {"master": "local[2]"},
        **more,
    }


def kill_member(job):
    """SIGKILL of the supervisor, after it has said what is at the store (it does so every third of
    its lease of 10 s); the rest of the run ends by itself."""
    time.sleep(4)
    (pid,) = job.processes(MEMBER)
    os.kill(pid, signal.SIGKILL)
    done = job.wait()
    assert done.code != 0
    job.assert_clean()
    return done


def at_store(store, folder, tmp_path):
    """{name: content} of a folder of the store."""
    where = store.get(folder, tmp_path / f"got-{time.monotonic_ns()}")
    return {
        str(path.relative_to(where)): path for path in sorted(where.rglob("*")) if path.is_file()
    }


def mirrored(result):
    (one,) = result.verdict["mirrored"]
    return one


@pytest.mark.spark
def test_keras_goes_on(store, job, tmp_path):
    url = f"{store.url}/keras"
    running = start(job, store, **program("keras_backup.py", url, "a", hold=2))

    def epochs_stored():
        names = [name for name in store.names() if name.startswith("keras/")]
        files = {"keras/backup/training_metadata.json", "keras/model.keras"}
        return files <= set(names) and any("tfevents" in name for name in names)

    running.wait_for(epochs_stored, what="a backup at the store")
    killed = kill_member(running)
    assert mirrored(killed)["checkpoint"].startswith(("backup/", "model"))
    found = at_store(store, "keras", tmp_path)
    done_before = json.loads(found["backup/training_metadata.json"].read_text())["epoch"]
    assert 1 <= done_before <= 3
    again = start(job, store, **program("keras_backup.py", url, "b")).wait()
    assert again.code == 0, again.stderr
    found = at_store(store, "keras", tmp_path)
    assert json.loads(found["run-a.json"].read_text()) == {"first": 0}
    assert json.loads(found["run-b.json"].read_text())["first"] == done_before
    assert json.loads(found["backup/training_metadata.json"].read_text())["epoch"] == 6
    import keras

    model = keras.models.load_model(found["model.keras"])
    assert model.predict(np.zeros((1, 4)), verbose=0).shape == (1, 1)
    events = [path for name, path in found.items() if "tfevents" in name]
    assert len(events) >= 2 and all(path.stat().st_size > 0 for path in events)
    job.assert_clean()


@pytest.mark.spark
@on("azure", "gcs")
def test_manager_goes_on(store, job, tmp_path):
    url = f"{store.url}/manager"
    running = start(job, store, **program("manager_loop.py", url, "a", hold=20))

    def stored():
        return {"manager/ckpt-20.index", "manager/checkpoint"} <= set(store.names())

    running.wait_for(stored, what="the last checkpoint at the store")
    killed = mirrored(kill_member(running))
    assert (killed["checkpoint"], killed["newest"]) == ("ckpt-20", "ckpt-20")
    again = start(job, store, **program("manager_loop.py", url, "b")).wait()
    assert again.code == 0, again.stderr
    told = mirrored(again)
    assert (told["checkpoint"], told["newest"]) == ("ckpt-40", "ckpt-40")
    assert told["resumed_from"] == "ckpt-20" and told["seconds"] > 0 and told["files"] == 2
    found = at_store(store, "manager", tmp_path)
    steps = sorted(int(n[5:-6]) for n in found if n.endswith(".index"))
    assert steps == [32, 36, 40]
    assert len(found) == 7, sorted(found)  # nothing is left of what the killed run began
    folder = found["checkpoint"].parent
    latest = tf.train.latest_checkpoint(str(folder))
    reader = tf.train.load_checkpoint(latest)
    value = "total/.ATTRIBUTES/VARIABLE_VALUE"
    assert reader.get_tensor(value) == 40 * 41 / 2  # no step is lost or done twice
    job.assert_clean()


def graph_job(graph_program, url, **more):
    return {
        "app": {"graph": {"path": str(graph_program / "model")}},
        "input": {"path": str(graph_program / "rows.parquet")},
        "batch_size": models.ROWS,
        "model_dir": url,
        "checkpoint": {"every_steps": 20, "keep": 3},
        "steps": 1_000_000,
        "epochs": 100_000,
        "local": True,
        **more,
    }


@on(*STORES)
def test_graph_goes_on(store, job, graph_program, tmp_path):
    url = f"{store.url}/graph"
    running = start(job, store, **graph_job(graph_program, url))

    def stored():
        return [n for n in store.names() if n.startswith("graph/ckpt-") and n.endswith(".index")]

    running.wait_for(lambda: len(stored()) >= 3, what="three checkpoints at the store")
    seen = set(stored())
    kill(job, UPLOAD)
    running.wait_for(lambda: set(stored()) - seen, what="a checkpoint by another process")
    # A pass uploads its state file last: a slow machine has several checkpoints in the first.
    running.wait_for(lambda: "graph/checkpoint" in store.names(), what="the state file")
    killed = mirrored(kill_member(running))
    assert killed["checkpoint"].startswith("ckpt-")
    found = at_store(store, "graph", tmp_path)
    latest = tf.train.latest_checkpoint(str(found["checkpoint"].parent))
    assert latest and tf.train.load_checkpoint(latest)
    before = max(int(n[5:-6]) for n in found if n.endswith(".index"))
    steps = before + 30
    again = start(job, store, **graph_job(graph_program, url, steps=steps)).wait()
    assert again.code == 0, again.stderr
    train = again.verdict["train"]
    assert train["resumed_from"] == f"{url}/ckpt-{before}"
    assert (train["step"], train["checkpoint"]) == (steps, f"{url}/ckpt-{steps}")
    found = at_store(store, "graph", tmp_path)
    kept = sorted(int(n[5:-6]) for n in found if n.startswith("ckpt-") and n.endswith(".index"))
    assert len(kept) == 3 and kept[-1] == steps
    nothing = start(job, store, **graph_job(graph_program, url, steps=steps)).wait()
    assert (nothing.code, nothing.verdict["phase"]) == (0, "skipped"), nothing.stderr
    job.assert_clean()
