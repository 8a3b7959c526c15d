"""`tfos export`: exports predict what Python TensorFlow predicts with the source. No Spark."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warm
from export_models import WORDS, X
from harness import PYTHON

TF1 = ["--inputs", "x=x,key=key:0", "--outputs", "y=y:0,id=id:0"]
FROZEN = ["--inputs", "x=x", "--outputs", "y=y"]
KEPT = ["--signatures", "serving_default"]
# source, more arguments, the npz with Python's predictions, signatures, how each was proved
CASES = {
    "tf1": ("tf1", TF1, "tf1", {"serving_default": True}),
    "tf1_meta": ("tf1/model.ckpt-3.meta", TF1, "tf1", {"serving_default": True}),
    "module": ("module", [], "module", {"parse": False, "serving_default": True}),
    "module_kept": ("module", KEPT, "module", {"serving_default": True}),
    "module_checkpoint": (
        "module_checkpoint",
        ["--graph", "{models}/module"],
        "module_checkpoint",
        {"parse": False, "serving_default": True},
    ),
    "keras": ("keras", [], "keras", {"serve": True, "serving_default": True}),
    "keras_checkpoint": (
        "keras_checkpoint",
        ["--graph", "{models}/keras"],
        "keras_checkpoint",
        {"serve": True, "serving_default": True},
    ),
    "frozen": ("frozen.pb", FROZEN, "frozen", {"serving_default": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory, tensorflow_python):
    folder = tmp_path_factory.mktemp("m")
    script = Path(__file__).with_name("export_models.py")
    make = [tensorflow_python, *warm.script(script, folder)]
    subprocess.run(make, check=True, capture_output=True)
    return folder


def export(job, models, source, *more):
    more = [str(word).format(models=models) for word in more]
    return job.run("export", models / source, "--export-dir", job.folder / "out", *more)


def same(got, want):
    """Python's values; an export of Keras 3 names its only output otherwise."""
    for name, values in want.items():
        have = got[name] if name in got else next(iter(got.values()))
        np.testing.assert_allclose(np.asarray(have), values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_exports_predict_what_python_predicts(models, job, case):
    import tensorflow as tf

    source, more, expected, signatures = CASES[case]
    end = export(job, models, source, *more)
    assert end.code == 0, end.stderr
    out = job.folder / "out"
    assert end.verdict["artifacts"] == [{"kind": "saved_model", "path": str(out)}]
    proofs = {s["name"]: s["ran"] for s in end.verdict["export"]["signatures"]}
    assert proofs == signatures
    hidden = models / "words.txt"  # the export has its own
    hidden.rename(models / "hidden")
    try:
        loaded = tf.saved_model.load(str(out))
    finally:
        (models / "hidden").rename(hidden)
    assert set(loaded.signatures) - {"__saved_model_init_op"} == set(signatures)
    serve = loaded.signatures["serving_default"]
    given = {"x": X, "key": WORDS}
    feeds = {name: tf.constant(given.get(name, X)) for name in serve.structured_input_signature[1]}
    want = np.load(models / f"{expected}.npz")
    same({k: v.numpy() for k, v in serve(**feeds).items()}, want)
    if source.startswith("module"):  # the object graph and its functions are there
        same({k: v.numpy() for k, v in loaded.score(X, tf.constant(WORDS)).items()}, want)


@pytest.mark.parametrize("case", ["tf1", "module_checkpoint"])
def test_other_programs_run_exports(models, job, case):
    """saved_model_cli shows and runs them, and so does tfos infer."""
    source, more, expected, _ = CASES[case]
    assert export(job, models, source, *more).code == 0
    out, want = job.folder / "out", np.load(models / f"{expected}.npz")
    cli = [PYTHON.with_name("saved_model_cli")]
    shown = subprocess.run([*cli, "show", "--all", "--dir", out], capture_output=True, text=True)
    assert shown.returncode == 0 and "signature_def['serving_default']" in shown.stdout
    np.savez(job.folder / "feeds.npz", x=X, key=np.array(WORDS, object))
    argv = [*cli, "run", "--dir", out, "--tag_set", "serve", "--signature_def", "serving_default"]
    inputs = f"--inputs=x={job.folder}/feeds.npz[x];key={job.folder}/feeds.npz[key]"
    ran = subprocess.run([*argv, inputs, "--outdir", job.folder], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    same({k: np.load(job.folder / f"{k}.npy") for k in want}, want)
    rows = {"x": pa.array(list(X)), "key": pa.array(WORDS), "n": pa.array(range(len(X)))}
    pq.write_table(pa.table(rows), job.folder / "rows.parquet")
    job.run_id += "-infer"
    argv = ["infer", "--local", "--export-dir", out, "--input", job.folder / "rows.parquet"]
    end = job.run(*argv, "--output", job.folder / "predictions", "--keep", "n")
    assert end.code == 0, end.stderr
    table = pq.read_table(job.folder / "predictions").sort_by("n")
    same({k: np.array(table[k].to_pylist()) for k in want}, want)


def test_versions_for_serving(models, job):
    for version in (1, 2):
        job.run_id = f"v{version}"
        end = export(job, models, "keras", "--serving-layout")
        assert end.code == 0, end.stderr
        path = job.folder / "out" / str(version)
        assert end.verdict["artifacts"] == [{"kind": "saved_model", "path": str(path)}]
        assert (path / "saved_model.pb").is_file()
    assert sorted(os.listdir(job.folder / "out")) == ["1", "2"]


def test_a_job_file_replaces_an_export(models, job):
    text = {
        "app": {"graph": {"path": str(models / "module")}},
        "model_dir": str(models / "module_checkpoint"),
        "export_dir": "out",
        "signatures": ["parse"],
    }
    (job.folder / "job.yaml").write_text(json.dumps(text))
    assert job.run("export", "job.yaml").code == 0
    before = (job.folder / "out" / "saved_model.pb").stat().st_ino
    job.run_id += "-again"
    assert job.run("export", "job.yaml").code == 7
    end = job.run("export", "job.yaml", "--set", "export_if_exists=replace")
    assert end.code == 0, end.stderr
    assert (job.folder / "out" / "saved_model.pb").stat().st_ino != before
    assert [s["name"] for s in end.verdict["export"]["signatures"]] == ["parse"]


@pytest.mark.parametrize(
    ("source", "more", "words"),
    [
        (
            "other",
            ["--graph", "{models}/module"],
            "does not fit the graph .*: it lacks layers/1/.*; w/.* is float32 \\[4,3\\] in the "
            "checkpoint and float32 \\[4,2\\] in the graph",
        ),
        ("twins", ["--graph", "{models}/module"], "two of its objects fit the graph .*one and two"),
        (
            "tf1/model.ckpt-4",
            TF1,
            "not complete: model.ckpt-4.data-00000-of-00001 is missing .*model.ckpt-3\\)",
        ),
        ("module_checkpoint", [], "variables and no graph.*--graph on the command line"),
        ("keras", ["--signatures", "srve"], 'no signature "srve" \\(signatures there: serve, '),
        ("tf1", [], 'the graph has no signature: .*\n  signatures: .*x: "x:0"'),
        ("tf1", ["--inputs", "x=x", "--outputs", "id=id"], "need the placeholder key:0"),
        ("tf1", ["--inputs", "x=x", "--outputs", "y=a/y:0"], "no tensor a/y:0 \\(there is y:0\\)"),
    ],
)
def test_what_does_not_fit_is_refused(models, job, source, more, words):
    end = export(job, models, source, *more)
    assert end.code == 2 and re.search(words, end.stderr), end.stderr
    assert not (job.folder / "out").exists()


def test_damaged_values_are_not_exported(models, job):
    """The checksum of a value is wrong: loading finds it, and nothing is left."""
    shutil.copytree(models / "tf1", job.folder / "tf1")
    (job.folder / "tf1" / "checkpoint").unlink()  # it names those of the source
    data = job.folder / "tf1" / "model.ckpt-3.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[0] ^= 255
    data.write_bytes(content)
    end = export(job, job.folder, "tf1", *TF1)
    assert end.code == 2 and "Checksum does not match" in end.verdict["cause"], end.stderr
    assert "the export does not load" in end.verdict["cause"]
    assert sorted(os.listdir(job.folder)) == ["state", "stderr.txt", "tf1", "tmp"]
    job.assert_clean()


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        ("keras.keras", [], "keras_checkpoint"),
        ("keras.h5", [], "keras_checkpoint"),
        ("code.keras", ["--run-code-in-file"], "code"),
    ],
)
def test_keras_files(models, job, source, more, expected):
    import tensorflow as tf

    end = export(job, models, source, *more)
    assert end.code == 0, end.stderr
    assert end.verdict["export"]["graph"] == str(models / source)
    served = tf.saved_model.load(str(job.folder / "out")).signatures["serving_default"]
    (alias,) = served.structured_input_signature[1]
    got = {k: v.numpy() for k, v in served(**{alias: tf.constant(X)}).items()}
    same(got, np.load(models / f"{expected}.npz"))
    job.assert_clean()


@pytest.mark.parametrize("source", ["code.keras", "code.h5"])
def test_code_in_a_keras_file_does_not_run(models, job, source):
    end = export(job, models, source)
    assert end.code == 2 and "holds code" in end.stderr, end.stderr
    assert "a Lambda lambda" in end.stderr and "--run-code-in-file runs it" in end.stderr
    job.assert_clean()


def test_a_python_without_keras(models, job):
    python = job.folder / "python"
    python.write_text(f'#!/bin/sh\nexec {PYTHON} -S "$@"\n')  # it sees no packages
    python.chmod(0o755)
    argv = ["export", models / "keras.keras", "--export-dir", job.folder / "out"]
    end = job.run(*argv, env={"TFOS_PYTHON": str(python)})
    says = f"{python} has no package tensorflow: pip install tensorflow there, or name another"
    assert end.code == 2 and says in end.stderr, end.stderr
    (job.folder / "out").mkdir()  # the name is looked at before Python is
    job.run_id += "-again"
    assert job.run(*argv, env={"TFOS_PYTHON": str(python)}).code == 7
    job.assert_clean()
