"""Every way of the zoo: `tfos show` prints job lines, `tfos infer --local` runs them, and the
predictions are Python's. The table in docs/inference.md names every way."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zoo
from harness import PYTHON, ROOT, TFOS, Job

HEADING = "# in a job file for tfos infer\n"


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The folder of the saved models, which one process makes."""
    folder = tmp_path_factory.mktemp("zoo")
    argv = [PYTHON, "-m", "zoo.make", folder]
    made = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-5000:]
    return folder


def show(folder, *argv):
    done = subprocess.run([TFOS, "show", *argv], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(folder, path):
    """What `tfos show` prints of a job file that runs a model: its lines, and the same as JSON."""
    text = show(folder, path)
    assert HEADING in text, text
    return text.split(HEADING, 1)[1], json.loads(show(folder, path, "--output", "json"))["job"]


def as_bytes(value):
    """Texts as bytes, at any depth of lists: whether a column is text or binary is not asked."""
    if isinstance(value, list):
        return [as_bytes(v) for v in value]
    return value.encode() if isinstance(value, str) else value


def assert_equal(got, want, what):
    """Numbers to 1e-6, all else exactly; got and want are columns of rows in the same order."""
    got, want = got.to_pylist(), want.to_pylist()
    try:
        a, b = np.array(got, np.float64), np.array(want, np.float64)
    except (TypeError, ValueError):
        assert as_bytes(got) == as_bytes(want), what
        return
    assert a.shape == b.shape, what
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, err_msg=what)


@pytest.mark.parametrize("name", zoo.titles())
def test_shown_lines_run(saved, name):
    folder = saved / name
    case = json.loads((folder / "case.json").read_text())
    lines, keys = shown(folder, case["path"])
    inputs, want = (pq.read_table(folder / f"{file}.parquet") for file in ("inputs", "expected"))

    columns = keys["input_mapping"]
    assert set(columns.values()) == set(inputs.column_names) - {"id"}
    assert keys.get("constants", {}) == case["constants"]
    alias_of = {alias: column for column, alias in columns.items()}
    renamed = inputs.rename_columns([alias_of.get(n, n) for n in inputs.column_names])
    pq.write_table(renamed, folder / "data.parquet")

    rest = {"input": {"path": "data.parquet"}, "keep": ["id"], "output": {"path": "out"}}
    beside = "".join(f"{key}: {json.dumps(v)}\n" for key, v in (rest | case["job"]).items())
    (folder / "job.yaml").write_text(lines + beside)
    result = Job(folder, f"zoo-{name.replace('_', '-')}").run("infer", "job.yaml", "--local")
    assert result.code == 0, result.stderr

    got = pq.read_table(folder / "out")
    assert got["id"].to_pylist() == want["id"].to_pylist()
    outputs = keys["output_mapping"]
    assert set(outputs) == set(want.column_names) - {"id"}
    for alias, column in outputs.items():
        assert_equal(got[column], want[alias], f"{name}: {alias}")
