"""Every way of the zoo: `tfos show` prints job lines, `tfos infer --local` runs them, and the
predictions are Python's. The table in docs/inference.md names every way."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import warm
import zoo
from harness import PYTHON, ROOT, TFOS, Job
from remote import STORES, stores

HEADING = "# in a job file for tfos infer\n"


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The folder of the saved models, which one process makes."""
    folder = tmp_path_factory.mktemp("zoo")
    argv = [PYTHON, "-m", "zoo.make", folder]
    made = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-5000:]
    return folder


def show(folder, *argv, env=None):
    env = {**os.environ, **(env or {})}
    argv = [TFOS, "show", *argv]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(folder, path, env=None):
    """What `tfos show` prints of a job file that runs a model: its lines, and the same as JSON."""
    text = show(folder, path, env=env)
    assert HEADING in text, text
    found = json.loads(show(folder, path, "--output", "json", env=env))
    return text.split(HEADING, 1)[1], found["job"]


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


def run_shown(folder, path, run_id, constants=None, job=None, store=None):
    """Runs a model with the lines that are shown; the predictions must be expected.parquet. With a
    store, the model, the rows and the predictions are there."""
    if store:
        store.put(folder / "model", "model")
        lines, keys = shown(folder, f"{store.url}/{path}", store.env)
    else:
        lines, keys = shown(folder, path)
    inputs, want = (pq.read_table(folder / f"{file}.parquet") for file in ("inputs", "expected"))

    columns = keys["input_mapping"]
    names = set(inputs.column_names) - {"id"}
    assert len(columns) == len(names) and keys.get("constants", {}) == (constants or {})
    if len(names) > 1:
        assert set(columns.values()) == names
        alias_of = {alias: column for column, alias in columns.items()}
    else:  # whatever the one input is named
        alias_of = {name: column for name, column in zip(names, columns, strict=True)}
    renamed = inputs.rename_columns([alias_of.get(n, n) for n in inputs.column_names])
    pq.write_table(renamed, folder / "data.parquet")

    data, out, env = "data.parquet", "out", None
    if store:
        data, out, env = store.put(folder / data, data), f"{store.url}/out", store.env
    rest = {"input": {"path": data}, "keep": ["id"], "output": {"path": out}}
    beside = "".join(f"{key}: {json.dumps(v)}\n" for key, v in (rest | (job or {})).items())
    (folder / "job.yaml").write_text(lines + beside)
    one = Job(folder, f"zoo-{run_id.replace('_', '-')}")
    result = one.run("infer", "job.yaml", "--local", env=env)
    assert result.code == 0, result.stderr
    got = pq.read_table(store.get("out", folder / "stored") if store else folder / "out")
    assert got["id"].to_pylist() == want["id"].to_pylist()
    outputs = keys["output_mapping"]
    assert set(outputs) == set(want.column_names) - {"id"}
    for alias, column in outputs.items():
        assert_equal(got[column], want[alias], f"{run_id}: {alias}")


@pytest.mark.parametrize("name", zoo.titles())
def test_shown_lines_run(saved, name):
    case = json.loads((saved / name / "case.json").read_text())
    run_shown(saved / name, case["path"], name, case["constants"], case["job"])


# One way for each kind of path: a folder, one with assets, what is found below a folder, a file.
PATHS = ["export_sequential", "vocabulary", "versions", "hub_cache", "the_file", "pbtxt", "frozen"]


@pytest.fixture(scope="module")
def store(request, tmp_path_factory):
    return STORES[request.param](tmp_path_factory.mktemp("conf"))


def on_stores():
    """All ways on S3, and each kind of path on the others. The rest is slow."""
    for name in zoo.titles():
        for one in stores(*(STORES if name in PATHS else ["s3"])):
            yield pytest.param(*one.values, name, marks=one.marks)


@pytest.mark.parametrize("store, name", list(on_stores()), indirect=["store"])
def test_shown_on_a_store(saved, store, tmp_path, name):
    """`tfos show` says of a model on a store what it says of the same files here. It copies all of
    such small models."""
    folder, url = saved / name, f"{store.url}/{name}"
    path = json.loads((folder / "case.json").read_text())["path"]
    store.put(folder / "model", f"{name}/model")
    text = show(tmp_path, f"{url}/{path}", env=store.env)
    assert text == show(tmp_path, str(folder / path)).replace(str(folder), url)


@pytest.mark.stores
@pytest.mark.parametrize("name", zoo.titles())
def test_runs_on_a_store(saved, tmp_path, name):
    """Model, rows and predictions on a store, the stores in turn."""
    kind = sorted(STORES)[list(zoo.titles()).index(name) % len(STORES)]
    case = json.loads((saved / name / "case.json").read_text())
    # tmp_path itself is the job's folder: jobs share what they unpack beside it (100 MB).
    folder = shutil.copytree(saved / name, tmp_path, dirs_exist_ok=True)
    store = STORES[kind](tmp_path / "conf")
    run_shown(folder, case["path"], name, case["constants"], case["job"], store)


def refusals(folder, case):
    """What each command says of a path, without what is its own: the name of a file or key."""
    (folder / "data.parquet").touch()
    path, key = case["path"], case["key"]
    job = {key: path, "input": {"path": "data.parquet"}, "output": {"path": "out"}}
    (folder / "job.yaml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in job.items()))
    commands = [
        ("validate", "job.yaml", "--kind", "infer", "--set", "spark.master=local[2]"),
        ("infer", "job.yaml", "--local", "--dry-run"),
        ("infer", "job.yaml", "--local"),
    ]
    commands += [] if case["shows"] else [("show", str(folder / path))]
    for argv in commands:
        done = subprocess.run([TFOS, *argv], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2, f"{argv}: {done.stdout}{done.stderr}"
        said = done.stderr.replace(f"{folder}/", "").strip()
        head = re.match(rf"(tfos: model|\S+: {key}): {re.escape(path)}: ", said)
        assert head, said
        yield said[head.end() :]


@pytest.fixture(scope="module")
def warm_python(tmp_path_factory):
    """A folder for PATH: its python3 has imported TensorFlow already."""
    with warm.python(PYTHON, tmp_path_factory.mktemp("w")) as folder:
        yield folder


@pytest.mark.parametrize("name", zoo.titles("refused"))
def test_refused(saved, warm_python, name):
    """Every command gives the same answer; the command that it names makes a model that runs."""
    folder = saved / name
    case = json.loads((folder / "case.json").read_text())
    said = set(refusals(folder, case))
    assert len(said) == 1, said
    (text,) = said
    assert case["says"] in text
    if not case["runs"]:
        return
    command = text.splitlines()[-1].strip()
    code = ["python3", "-c", case["program"] + command]
    argv = ["sh", "-c", shlex.join(code) if case["program"] else command]
    env = {**os.environ, "PATH": f"{warm_python}:{TFOS.parent}:{os.environ['PATH']}"}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    made = [f for f in (folder / "model").iterdir() if f.name.endswith("_saved_model")]
    assert len(made) == 1, text
    run_shown(folder, f"model/{made[0].name}", name)


def test_documented():
    """docs/inference.md has the table: what `python scripts/tests/zoo/__init__.py` prints."""
    assert zoo.table() in (ROOT / "docs/inference.md").read_text()
    ways = f"**{len(zoo.titles())} ways of saving a model.**"
    assert ways in (ROOT / "README.md").read_text()


def test_operations(saved):
    """The table of TensorFlow's operations that tfos carries is that of the pinned TensorFlow."""
    carried = (ROOT / "internal/model/operations.txt").read_text()
    assert carried == (saved / "operations.txt").read_text()
