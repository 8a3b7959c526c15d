"""kill -9 of each process of a job at each stage of a commit (make test-stores). A proxy in front
of the store holds the call in which the process dies. The next run leaves what an uninterrupted
run leaves."""

import dataclasses
import json
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import PYTHON, write_rows
from stalling import DRIVER, ENGINE, LAUNCHER, MEMBER, RESERVE, SPARK
from test_stores import MODEL

pytestmark = [pytest.mark.stores, pytest.mark.leases]

ROWS = 300


@pytest.fixture(scope="module")
def stored(held, tmp_path_factory):
    """The model and the rows are on the store. Rows as an uninterrupted run writes them."""
    folder = tmp_path_factory.mktemp("m")

    def image(i):
        return np.full(16, i / ROWS, np.float32)

    write_rows(folder / "data", ROWS, files=3, columns={"image": image})
    pixels = np.repeat(np.arange(ROWS, dtype=np.float32)[:, None] / ROWS, 16, axis=1)
    np.save(folder / "x.npy", pixels)
    argv = [PYTHON, "-c", MODEL, folder / "model", folder / "x.npy", folder / "y.npy"]
    os.spawnv(os.P_WAIT, str(PYTHON), [str(one) for one in argv])
    (folder / "old").mkdir()
    (folder / "old" / "_SUCCESS").touch()
    (folder / "old" / "old.txt").write_text("old")
    held.direct.put(folder / "model", "model")
    held.direct.put(folder / "data", "data")
    held.old, held.want = folder / "old", np.load(folder / "y.npy")
    return held


@dataclasses.dataclass
class Stage:
    """call: a pattern, in which OUT stands for the output's name."""

    call: bytes
    victim: str = DRIVER
    if_exists: str = "fail"
    answered: bool = False  # the store does what the call says
    number: int = 1
    then: tuple = (0,)  # exit codes of the next run
    spark: bool = False

    def name(self, what):
        return re.sub(r"\W+", "-", f"{what}-{self.victim}-{self.if_exists}")


PART = rb"PUT [^ ]*/OUT/part-0000"
SIGN = "part-0-unfinished.parquet"
ASIDE = rb"rename2?.*/OUT\x12[^\x12]*OUT\.tfos\.old"
WHOLE = (7,)  # the output is there: the next run has finished its publication, or need not
STAGES = {
    "s3": {
        "journal": Stage(rb"PUT [^ ]*\.OUT\.publishing"),
        "sign": Stage(rb"PUT [^ ]*/OUT/part-0-unfinished"),
        "part": Stage(PART),
        "part of engine": Stage(PART, ENGINE),
        "part of member": Stage(PART, MEMBER),
        "part of launcher": Stage(PART, LAUNCHER),
        "second part": Stage(PART, if_exists="resume", number=2),
        "manifest": Stage(rb"PUT [^ ]*/OUT/_manifest", answered=True),
        "manifest, resumed": Stage(rb"PUT [^ ]*/OUT/_manifest", if_exists="resume"),
        "sign's end": Stage(rb"DELETE [^ ]*/OUT/part-0-unfinished", then=WHOLE),
        "sign's end, skipped": Stage(rb"DELETE [^ ]*/OUT/part-0-unfinished", if_exists="skip"),
        "success": Stage(rb"PUT [^ ]*/OUT/_SUCCESS", then=WHOLE),
        "success, resumed": Stage(rb"PUT [^ ]*/OUT/_SUCCESS", if_exists="resume", answered=True),
        "success of launcher": Stage(rb"PUT [^ ]*/OUT/_SUCCESS", LAUNCHER, then=(0, 7)),
        "copy, replaced": Stage(rb"PUT [^ ]*/OUT/part-00000", if_exists="replace"),
        "deletion, replaced": Stage(rb"<Key>[^<]*\.OUT\.tfos-", if_exists="replace"),
        "spark success": Stage(rb"PUT [^ ]*/OUT/_SUCCESS", RESERVE, then=WHOLE, spark=True),
        "spark part, driver": Stage(PART, SPARK, spark=True),
    },
    "hdfs": {
        "part": Stage(rb"rename2?.*\.OUT\.tfos-[^/]*/[^/]*part-"),
        "part of engine": Stage(rb"rename2?.*\.OUT\.tfos-[^/]*/[^/]*part-", ENGINE),
        "part of member": Stage(rb"rename2?.*\.OUT\.tfos-[^/]*/[^/]*part-", MEMBER),
        "part of launcher": Stage(rb"rename2?.*\.OUT\.tfos-[^/]*/[^/]*part-", LAUNCHER),
        "second part": Stage(rb"rename2?.*\.OUT\.tfos.*/[^/]*part-", if_exists="resume", number=2),
        "rename": Stage(rb"rename2?.*\.OUT\.tfos-[\w-]+\x12"),
        "renamed": Stage(rb"rename2?.*\.OUT\.tfos-[\w-]+\x12", answered=True, then=WHOLE),
        "moved aside": Stage(ASIDE, if_exists="replace", answered=True),
        "old deleted": Stage(rb"delete.*\.OUT\.tfos\.old", if_exists="replace"),
        "spark rename": Stage(rb"rename2?.*\.OUT\.tfos-[\w-]+\x12", RESERVE, spark=True),
    },
    # What needs the journal to be finished: half of the old output is gone.
    "gcs": {
        "copy, replaced": Stage(rb"rewriteTo/[^ ]*OUT%2Fpart-00001", if_exists="replace"),
    },
    "azure": {
        "copy, replaced": Stage(rb"PUT [^ ]*[/F]OUT(/|%2F)part-00001", if_exists="replace"),
    },
}  # fmt: skip


def run(job, stored, out, if_exists="fail", spark=False):
    job.run_id += "i"
    path = job.folder / "job.yaml"
    keys = {
        "export_dir": f"{stored.url}/model",
        "input": {"path": f"{stored.url}/data"},
        "keep": ["id"],
        "output": {"path": f"{stored.url}/{out}", "if_exists": if_exists},
        "read_by": "executor",
        **({"spark": {"master": "local[2]"}} if spark else {"local": True}),
    }
    path.write_text(json.dumps(keys))
    return job.start("infer", path, env=stored.env)


def kill_at(job, stored, stage, out):
    """A run whose victim dies while the call is held."""
    call = stage.call.replace(b"OUT", out.encode()), stage.answered, stage.number
    stored.kill_at(
        job, call, lambda: run(job, stored, out, stage.if_exists, stage.spark), stage.victim
    )


def files(stored, out):
    """Of an output, and hidden ones beside it."""
    names = stored.names()
    return (
        [n.split("/", 1)[1] for n in names if n.startswith(f"{out}/")],
        [n for n in names if n.startswith(f".{out}.")],
    )


def assert_rows(stored, out, where):
    table = pq.read_table(stored.direct.get(out, where))
    assert sorted(table["id"].to_pylist()) == list(range(ROWS))  # none lost, none doubled
    got = np.array(table["output_0"].to_pylist())
    np.testing.assert_allclose(got, stored.want[table["id"].to_numpy()], atol=1e-5)


@pytest.mark.spark
def test_commit(stored, job, tmp_path):
    """All runs are killed first: the leases of the dead end at about the same time."""
    stages = {stage.name(what): stage for what, stage in STAGES[stored.kind].items()}
    dead = {}
    for out, stage in stages.items():
        if stage.if_exists == "replace":
            stored.direct.put(stored.old, out)
        kill_at(job, stored, stage, out)
        dead[out] = job.run_id
        seen, _ = files(stored, out)
        if SIGN in seen:  # a reader of the folder fails
            assert "_SUCCESS" not in seen, out
            with pytest.raises(pa.ArrowInvalid, match=SIGN):
                pq.read_table(stored.direct.get(out, tmp_path / "seen" / out))
        elif "old.txt" not in seen and (stored.kind == "hdfs" or stage.if_exists != "replace"):
            assert "_SUCCESS" in seen or stored.kind != "hdfs" or not seen, out
            if any(n.startswith("part-") for n in seen):  # whole, though perhaps not marked yet
                assert_rows(stored, out, tmp_path / "seen" / out)
    for out, stage in stages.items():
        again = run(job, stored, out, stage.if_exists).wait()
        assert again.code in stage.then, (out, again.stderr)
        seen, hidden = files(stored, out)
        assert {"_SUCCESS", "_manifest.json"} < set(seen), (out, seen)
        assert "old.txt" not in seen and SIGN not in seen, out
        assert_rows(stored, out, tmp_path / "got" / out)
        if again.code == 7:  # it was refused before it could hold the output
            hidden = [n for n in hidden if n != f".{out}.tfos.lock"]
        # On object stores, parts of a run that died before it published stay, as its own.
        assert all(n.startswith(f".{out}.tfos-{dead[out]}/") for n in hidden), (out, hidden)
        assert (stored.kind != "hdfs" and stage.then != WHOLE) or not hidden, (out, hidden)
    job.assert_clean()
