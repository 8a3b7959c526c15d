"""kill -9 of each process of a training at each stage of its mirror (make test-stores). A proxy in
front of the store holds the call in which the process dies. Then the store has no half of a
checkpoint, the next run goes on from its newest one, and nothing of the killed run is left."""

import dataclasses
import json
import re

import graph_models as models
import pytest
import tensorflow as tf
from stalling import DRIVER, ENGINE, LAUNCHER, MEMBER, RESERVE, SPARK

pytestmark = [pytest.mark.stores, pytest.mark.leases]

EVERY, KEEP, SEEDED = 500, 3, 1500  # steps between checkpoints; how many stay; steps before
MANY = 1_000_000


@dataclasses.dataclass
class Stage:
    calls: dict  # by store: a pattern of the call that a proxy holds; OUT is the folder's name
    victims: dict  # by store
    steps: int = MANY  # of the job


INDEX = {
    "azure": rb"PUT [^ ]*OUT(/|%2F)ckpt-\d+\.index",
    "gcs": rb"POST [^ ]*OUT%2Fckpt-\d+\.index",
    "hdfs": rb"rename2?.*/OUT/ckpt-\d+\.index",
    "s3": rb"PUT [^ ]*/OUT/ckpt-\d+\.index",
}
STAGES = {
    "download": Stage(
        {
            "hdfs": rb"getBlockLocations.*/OUT/ckpt-\d+\.data",
            "s3": rb"GET [^ ]*/OUT/ckpt-\d+\.data",
        },
        {"hdfs": (MEMBER, DRIVER), "s3": (MEMBER, LAUNCHER)},
    ),
    "data": Stage(
        {"hdfs": rb"rename2?.*/OUT/ckpt-\d+\.data", "s3": rb"PUT [^ ]*/OUT/ckpt-\d+\.data"},
        {"hdfs": (MEMBER, LAUNCHER, SPARK), "s3": (MEMBER, ENGINE, RESERVE)},
    ),
    "index": Stage(
        INDEX,
        {"azure": (MEMBER,), "gcs": (MEMBER,), "hdfs": (MEMBER, ENGINE), "s3": (MEMBER, DRIVER)},
    ),
    "state file": Stage(
        {"hdfs": rb"rename2?.*/OUT/checkpoint\W", "s3": rb"PUT [^ ]*/OUT/checkpoint[? ]"},
        {"hdfs": (MEMBER, ENGINE), "s3": (MEMBER, LAUNCHER)},
    ),
    "deletion": Stage(
        {
            "hdfs": rb"delete.*/OUT/ckpt-\d+\.(index|data)",
            "s3": rb"(DELETE [^ ]*|<Key>[^<]*)/OUT/ckpt-\d+\.(index|data)",
        },
        {"hdfs": (MEMBER, DRIVER), "s3": (MEMBER, ENGINE)},
    ),
    "last upload": Stage(
        INDEX,
        {"hdfs": (MEMBER, LAUNCHER), "s3": (MEMBER, DRIVER)},
        steps=SEEDED + 5,
    ),
}


def start(job, graph_program, url, env, steps=MANY, spark=False):
    path = job.folder / "job.yaml"
    place = {"spark": {"master": "local[2]"}, "cluster_size": 1} if spark else {"local": True}
    keys = {
        "app": {"graph": {"path": str(graph_program / "model")}},
        "input": {"path": str(graph_program / "rows.parquet")},
        "batch_size": models.ROWS,
        "model_dir": url,
        "checkpoint": {"every_steps": EVERY, "keep": KEEP},
        "steps": steps,
        "epochs": MANY,
        **place,
    }
    path.write_text(json.dumps(keys))
    job.run_id += "i"
    return job.start("train", path, env=env)


def checkpoints(folder):
    """The steps of a folder's checkpoints, each of which TensorFlow reads as a whole."""
    steps = sorted(int(path.stem[5:]) for path in folder.glob("ckpt-*.index"))
    for step in steps:
        reader = tf.train.load_checkpoint(str(folder / f"ckpt-{step}"))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)  # checks its CRC
    return steps


def step_of(name):
    return int(re.fullmatch(r"ckpt-(\d+)", name)[1])


def assert_whole(folder, killed):
    """What a killed run leaves. Returns the newest step."""
    steps = checkpoints(folder)
    state = tf.train.get_checkpoint_state(str(folder))
    named = {int(path.rsplit("-", 1)[1]) for path in state.all_model_checkpoint_paths}
    assert named <= set(steps)
    for told in killed.verdict.get("mirrored") or []:
        # What the report says is at the store is there, or something newer.
        assert steps[-1] >= step_of(told["checkpoint"])
        assert step_of(told["newest"]) >= step_of(told["checkpoint"])
    return steps[-1]


@pytest.mark.spark
def test_mirror(held, graph_program, job, tmp_path):
    """All runs are killed first: the leases of the dead end at about the same time."""
    url = f"{held.direct.url}/seed"
    seed = start(job, graph_program, url, held.direct.env, SEEDED).wait()
    assert seed.code == 0, seed.stderr
    seeded = held.direct.get("seed", tmp_path / "seed")
    assert checkpoints(seeded) == [500, 1000, 1500]
    newest = {}
    for what, stage in STAGES.items():
        for victim in stage.victims.get(held.kind, ()):
            out = re.sub(r"\W+", "-", f"{what}-{victim}")
            held.direct.put(seeded, out)
            call = stage.calls[held.kind].replace(b"OUT", out.encode()), False, 1

            def run(at=f"{held.url}/{out}", steps=stage.steps, spark=victim in (RESERVE, SPARK)):
                return start(job, graph_program, at, held.env, steps, spark)

            killed = held.kill_at(job, call, run, victim)
            newest[out] = assert_whole(held.direct.get(out, tmp_path / "killed" / out), killed)
    for out, step in newest.items():
        at = f"{held.url}/{out}"
        again = start(job, graph_program, at, held.env, step + 5).wait()
        assert again.code == 0, again.stderr
        train = again.verdict["train"]
        assert train["resumed_from"] == f"{at}/ckpt-{step}", out
        assert train["checkpoint"] == f"{at}/ckpt-{step + 5}", out
        folder = held.direct.get(out, tmp_path / "got" / out)
        steps = checkpoints(folder)
        assert len(steps) == KEEP and steps[-2:] == [step, step + 5], (out, steps)
        names = {path.name for path in folder.iterdir() if "tfevents" not in path.name}
        kept = {
            f"ckpt-{s}{end}" for s in steps for end in (".index", ".meta", ".data-00000-of-00001")
        }
        assert names == {"checkpoint", *kept}, out
    job.assert_clean()
