"""output.if_exists: resume. A run is killed as a whole; the next one does only what is missing."""

import json
import os
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import Job, write_rows

MODEL = """\
import sys, tensorflow as tf
model = tf.Module()
spec = tf.TensorSpec([None, 4], tf.float32, name="x")
model.call = tf.function(lambda x: {"y": 2 * tf.reduce_sum(x, 1) + 1}, input_signature=[spec])
tf.saved_model.save(model, sys.argv[1], signatures={"serving_default": model.call})
"""
FILES, ROWS = 12, 5_000


def quad(i):
    return np.full(4, i, np.float32)


@pytest.fixture
def root(tmp_path_factory, tensorflow_python):
    folder = tmp_path_factory.mktemp("r")
    subprocess.run(
        [tensorflow_python, "-c", MODEL, folder / "model"], check=True, capture_output=True
    )
    write_rows(folder / "data", FILES * ROWS, files=FILES, columns={"x": quad})
    (folder / "job.yaml").write_text(
        "export_dir: model\ninput: {path: data}\nkeep: [id]\nbatch_size: 1000\n"
        "cluster_size: 2\noutput: {path: out, if_exists: resume}\n"
        "spark: {master: 'local[2]'}\n"
    )
    return folder


@pytest.fixture
def run(root):
    """Start a run by name: run("first", "--set", …) -> its Job."""
    jobs = []

    def start(name, *argv):
        folder = root / name
        folder.mkdir()
        jobs.append(Job(folder, f"resume-{name}"))
        return jobs[-1].start("infer", root / "job.yaml", *argv)

    yield start
    for job in jobs:
        job.kill()


def inodes(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("part-*.parquet")}


def makers(out):
    """Which run made which part, as the manifest has it."""
    splits = json.loads((out / "_manifest.json").read_text())["splits"]
    return {split["output"]: split["run"] for split in splits}


def check(out, rows):
    """Every row is there once, with its prediction: exact, as small integers are in float32."""
    got = pq.read_table(out).sort_by("id")
    assert (got["id"].to_numpy() == np.arange(rows)).all()
    assert (got["y"].to_numpy() == 2 * 4 * np.arange(rows) + 1).all()


def test_killed_run_is_resumed(root, run):
    out, kept = root / "out", root / ".out.tfos.resume" / "resume-first"
    first = run("first", "--set", "batch_size=1", "--set", "spark.master=local-cluster[2,1,1024]")
    first.wait_for(lambda: len(list(kept.glob("done/*.json"))) >= 3, what="three finished parts")
    first.process.kill()
    first.kill()
    first.process.wait()
    first.err.close()
    shutil.rmtree(first.temp)  # its caretaker was killed too
    assert not out.exists()
    done = {path.name.removesuffix(".json") for path in kept.glob("done/*.json")}
    assert 3 <= len(done) < FILES, "all was done before the kill"
    before = {name: inode for name, inode in inodes(kept / "parts").items() if name in done}

    second = run("second").wait()
    assert second.code == 0, second.stderr
    assert f"{len(done)} parts ({len(done) * ROWS} rows) were done by earlier runs" in second.stderr
    result = second.verdict["infer"]
    rows = {"read": len(done) * ROWS, "rows": len(done) * ROWS, "skipped": 0, "quarantined": 0}
    assert result["carried"] == {"splits": len(done), **rows}
    assert result["rows"] == (FILES - len(done)) * ROWS
    made = makers(out)
    assert {name for name, by in made.items() if by == "resume-first"} == done
    assert len(made) == FILES and set(made.values()) == {"resume-first", "resume-second"}
    after = inodes(out)
    assert {name: after[name] for name in done} == before
    check(out, FILES * ROWS)
    assert not (root / ".out.tfos.resume").exists()

    ids = range(FILES * ROWS, FILES * ROWS + 7)
    new = pa.table({"id": pa.array(ids, pa.int64()), "x": [quad(i) for i in ids]})
    pq.write_table(new, root / "data" / "a-new-one.parquet")
    third = run("third").wait()
    assert third.code == 0, third.stderr
    assert (third.verdict["infer"]["rows"], third.verdict["infer"]["carried"]["splits"]) == (7, 12)
    assert makers(out) == {**made, f"part-{FILES:05d}.parquet": "resume-third"}
    assert inodes(out).items() >= after.items()
    check(out, FILES * ROWS + 7)

    fourth = run("fourth").wait()
    assert (fourth.code, fourth.verdict["phase"]) == (0, "skipped"), fourth.stderr
    assert "nothing to do" in fourth.stderr
    assert not os.path.exists(fourth.verdict["record"] or "none")  # Spark was not started
    assert makers(out)[f"part-{FILES:05d}.parquet"] == "resume-third"
