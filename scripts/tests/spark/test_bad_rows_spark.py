"""Bad rows of what Spark reads: left out of what it writes, and set aside beside it."""

import json
import os
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from test_bad_rows import MODEL

FILES, ROWS = 4, 250
# Of id: x too short, x and key null, a null in x, an index out of range, a file of nothing else.
SHORT, NOTHING, HOLE, RANGE = {8, 510}, {9}, {10, 999}, {503}
ALONE = set(range(250, 500))
KEEP = ["id", "day", "tags", "file"]
BAD = SHORT | NOTHING | HOLE | RANGE | ALONE


def write(folder):
    """key is of 0 to 49, x of two numbers."""
    folder.mkdir()
    for i in range(FILES):
        ids = range(i * ROWS, (i + 1) * ROWS)
        x = [[float(v), 0.5] for v in ids]
        key = [v % 50 for v in ids]
        for at, v in enumerate(ids):
            if v in SHORT:
                x[at] = x[at][:1]
            elif v in NOTHING:
                x[at] = key[at] = None
            elif v in HOLE:
                x[at][1] = None
            elif v in RANGE:
                key[at] = 50
            elif v in ALONE:
                key[at] = None
        table = pa.table(
            {
                "id": pa.array(ids, pa.int64()),
                "day": [f"d{v % 3}" for v in ids],
                "tags": pa.array([[f"t{v}"] * (v % 3) for v in ids], pa.list_(pa.string())),
                "x": pa.array(x, pa.list_(pa.float32())),
                "key": pa.array(key, pa.int64()),
            }
        )
        pq.write_table(table, folder / f"part-{i}.parquet")


@pytest.fixture
def infer(job, tensorflow_python):
    """Runs the job with these settings more."""
    model = job.folder / "model"
    subprocess.run([tensorflow_python, "-c", MODEL, model], check=True, capture_output=True)
    write(job.folder / "data")
    path = job.folder / "infer.yaml"
    query = f"SELECT *, input_file_name() AS file FROM parquet.`{job.folder}/data`"
    path.write_text(
        f"export_dir: model\ninput: {{sql: '{query}'}}\nkeep: [{', '.join(KEEP)}]\n"
        "batch_size: 64\ncluster_size: 2\noutput: {path: out, partition_by: [day]}\n"
        "spark: {conf: {spark.sql.execution.arrow.maxRecordsPerBatch: '100'}}\n"
    )

    def run(*settings):
        sets = [word for setting in settings for word in ("--set", setting)]
        return job.run("infer", path, *sets)

    return run


def check_good(out):
    got = ds.dataset(out, format="parquet", partitioning="hive").to_table().sort_by("id")
    good = np.array(sorted(set(range(FILES * ROWS)) - BAD))
    assert got.column_names == ["id", "tags", "file", "y", "day"]
    assert (got["id"].to_numpy() == good).all()
    np.testing.assert_allclose(got["y"].to_numpy(), good % 50 + good + 0.5)
    assert got["day"].to_pylist() == [f"d{v % 3}" for v in good]
    assert got["tags"].to_pylist() == [[f"t{v}"] * (v % 3) for v in good]


def check_account(result, out, way):
    account = {
        "read": FILES * ROWS,
        "rows": FILES * ROWS - len(BAD),
        "skipped": 0,
        "quarantined": 0,
        "graph_failed": len(RANGE),
        way: len(BAD),
    }
    manifest = json.loads((out / "_manifest.json").read_text())
    for told in (result.verdict["infer"], manifest):
        assert account.items() <= told.items()
        assert sum(p[way] for p in told["bad_partitions"]) == len(BAD)
        for p in told["bad_partitions"]:
            assert p["read"] == p["rows"] + p["skipped"] + p["quarantined"]
    return manifest


def test_quarantine(infer, job):
    """What is bad, why, and its kept columns, by Spark's partition: two executors write it."""
    result = infer("on_bad_row=quarantine", "max_bad=25.6%")
    assert result.code == 0, result.stderr
    want = f"read = predicted + skipped + quarantined: 1000 = {1000 - len(BAD)} + 0 + {len(BAD)}"
    assert want in result.stderr
    out = job.folder / "out"
    check_good(out)
    manifest = check_account(result, out, "quarantined")
    files = {p["quarantine"]["output"] for p in manifest["bad_partitions"]}
    assert files == {str(p.relative_to(out)) for p in (out / "_quarantine").iterdir()}
    assert files == {
        f"_quarantine/part-{p['partition']:05}.parquet" for p in manifest["bad_partitions"]
    }
    assert len(files) > 1
    aside = pq.read_table(out / "_quarantine").sort_by("id")
    assert aside.column_names == ["partition", "row", "column", "reason", *KEEP]
    assert aside["id"].to_pylist() == sorted(BAD)
    for row in aside.to_pylist():
        v = row["id"]
        column = "-" if v in RANGE else "key" if v in ALONE | NOTHING else "x"
        assert row["column"] == column, row
        assert (row["day"], row["tags"]) == (f"d{v % 3}", [f"t{v}"] * (v % 3))
        assert row["file"].endswith(f"/data/part-{v // ROWS}.parquet")
        assert row["row"] % ROWS == v % ROWS  # a partition is of whole files
    job.assert_clean()


def test_skip_and_too_many(infer, job, any_master):
    """Skipped rows are in no file; too many of them, and nothing is published."""
    master = f"spark.master={any_master(2)}"
    result = infer(master, "on_bad_row=skip", "output.path=out")
    assert result.code == 0, result.stderr
    check_good(job.folder / "out")
    check_account(result, job.folder / "out", "skipped")
    assert not (job.folder / "out" / "_quarantine").exists()
    job.assert_clean()

    before = sorted(os.listdir(job.folder))
    job.run_id += "-again"
    result = infer(master, "on_bad_row=quarantine", "output.path=none", "max_bad=25.5%")
    assert result.code == 6, result.stderr
    cause = result.verdict["cause"]
    assert f"{len(BAD)} of 1000 rows are bad (25.6%), and max_bad is 25.5%; the first is" in cause
    assert "partition 0: row " in cause
    assert sorted(os.listdir(job.folder)) == before
    job.assert_clean()
