"""program: functions and scripts, argv, causes in one line; TensorBoard beside them."""

import argparse
import json
import queue
import subprocess
import sys
import urllib.request

import pytest
import tfos
from harness import ROOT
from tfos import board, ending, program, versions


class Ctx:
    is_chief = True

    def __init__(self, **parameters):
        self.parameters = argparse.Namespace(**parameters)


class Node:
    def __init__(self):
        self.notes = []

    def note(self, *note):
        self.notes.append(note)


@pytest.fixture(autouse=True)
def restore(monkeypatch):
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(tfos, "_context", None)


def write(tmp_path, text):
    path = tmp_path / "prog.py"
    path.write_text(text)
    return str(path)


def run(kind, settings, ctx):
    phases = []
    kind(settings, ctx).run(phases.append)
    return phases


def test_a_script_gets_argv_with_the_jobs_parameters(tmp_path, monkeypatch):
    script = write(
        tmp_path,
        "import sys\n"
        "assert __name__ == '__main__'\n"
        "open('out', 'w').write(' '.join(sys.argv[1:]))\n"
        "sys.exit(0)\n",
    )
    settings = {"program": script, "function": "", "argv": ["--dir={model_dir}", "{n}", "{x"]}
    monkeypatch.chdir(tmp_path)
    assert run(program.Script, settings, Ctx(model_dir="/m")) == ["running"]
    assert (tmp_path / "out").read_text() == "--dir=/m {n} {x"


def test_a_script_without_argv_finds_its_context(tmp_path, monkeypatch):
    script = write(tmp_path, "import tfos\nassert tfos.get_context().parameters.batch_size == 7")
    settings = {"program": script, "function": "", "args": {}}
    with pytest.raises(RuntimeError, match="no member"):
        run(program.Script, settings, Ctx())
    monkeypatch.setattr(tfos, "_context", Ctx(batch_size=7))
    run(program.Script, settings, Ctx())


def test_a_script_that_fails(tmp_path):
    with pytest.raises(SystemExit) as failed:
        run(program.Script, {"program": write(tmp_path, "exit(3)"), "function": ""}, Ctx())
    assert failed.value.code == 3


@pytest.mark.parametrize("chief", [True, False])
def test_the_export_function_runs_once_on_the_chief(tmp_path, chief):
    text = (
        "calls = []\ndef f(args, ctx): calls.append(args.lr)\ndef e(args, ctx): calls.append('e')"
    )
    ctx = Ctx(batch_size=1)
    ctx.is_chief = chief
    settings = {
        "program": write(tmp_path, text),
        "function": "f",
        "export_function": "e",
        "args": {"lr": 2},
    }
    phases = run(program.Functions, settings, ctx)
    assert sys.modules["prog"].calls == ([2, "e"] if chief else [2])
    assert phases == ["importing", "running", *(["exporting"] if chief else [])]


@pytest.mark.parametrize(("chief", "notes"), [(True, [("warning", "odd")]), (False, [])])
def test_an_untested_tensorflow_is_told_once(monkeypatch, chief, notes):
    monkeypatch.setattr(versions, "judge", lambda *_: (None, "odd"))
    ctx, node = Ctx(), Node()
    ctx.is_chief = chief
    program.check_versions(ctx, node)
    assert node.notes == notes


def test_a_tensorflow_that_cannot_be_imported_ends_the_program(monkeypatch):
    monkeypatch.setattr(versions, "installed", {"tensorflow": "2.17.1", "numpy": "2.1.3"}.get)
    with pytest.raises(versions.VersionError) as raised:
        program.check_versions(Ctx(), Node())
    assert "VersionError: TensorFlow 2.17.1 cannot" in ending.describe(raised.value)


def test_causes_are_one_line():
    assert ending.describe(ValueError("a\nb")) == "ValueError: a"
    assert ending.describe(SystemExit(3)) == "the program called sys.exit(3)"


def test_keras_3_fit_is_named(tmp_path):
    folder = tmp_path / "keras" / "src"
    folder.mkdir(parents=True)
    text = "def fit():\n    raise ValueError(\"... class 'tf.values.PerReplica'>) to a Tensor\")"
    (folder / "trainer.py").write_text(text)
    module = program.load(str(folder / "trainer.py"), "fit")
    with pytest.raises(ValueError) as raised:
        module.fit()
    assert "keras#20585" in ending.describe(raised.value)
    # The same words from elsewhere stay what they are.
    assert "20585" not in ending.describe(ValueError("values.PerReplica'"))


SAVING = """\
import os, sys, tensorflow as tf
sys.path.insert(0, sys.argv[1])
os.environ["TF_CONFIG"] = sys.argv[2]
from tfos import ending
checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
@tf.function
def read():
    return tf.io.read_file("/nowhere")
def save():
    checkpoint.write("/proc/nowhere/c")
def eager():
    tf.io.read_file("/nowhere")
for call in (save, read, eager):
    try:
        call()
    except Exception as err:
        print(ending.describe(err))
"""


def test_saving_on_parameter_servers_is_named(tensorflow_python):
    """Where the cluster has parameter servers, and a checkpoint could not be written or read."""

    def told(*jobs):
        cluster = {job: ["localhost:1"] for job in jobs}
        argv = [tensorflow_python, "-c", SAVING, ROOT / "scripts", json.dumps({"cluster": cluster})]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    saved, graph, eager = told("chief", "ps", "worker").splitlines()
    assert "experimental_io_device='/job:chief/task:0'" in saved
    assert graph.startswith("NotFoundError: /nowhere; No such file or directory"), graph
    assert eager.startswith("NotFoundError: "), eager
    assert "io_device" not in graph + eager
    assert "'/job:worker/task:0'" in told("ps", "worker")
    assert "io_device" not in told("chief", "worker")


def test_tensorboard_serves_and_ends(tmp_path):
    said = queue.Queue()
    one = board.TensorBoard(str(tmp_path), "127.0.0.1", lambda *note: said.put(note))
    try:
        kind, url = said.get(timeout=600)
        assert kind == "tensorboard", url
        with urllib.request.urlopen(url, timeout=600) as page:
            assert b"TensorBoard" in page.read()
    finally:
        one.stop()
    one._process.wait(timeout=600)  # it is killed with its member
    assert said.empty()


def test_tensorboard_that_is_not_there(monkeypatch):
    said = []
    monkeypatch.setattr(board.importlib.util, "find_spec", lambda name: None)
    board.TensorBoard("x", "127.0.0.1", lambda *note: said.append(note)).stop()
    [(kind, text)] = said
    assert kind == "warning" and "not installed" in text


def test_tensorboard_that_cannot_start(tmp_path):
    said = queue.Queue()
    one = board.TensorBoard(str(tmp_path), "198.51.100.1", lambda *note: said.put(note))
    try:
        kind, text = said.get(timeout=600)
    finally:
        one.stop()
    assert kind == "warning" and "ended with status" in text


def test_a_data_error_is_the_cause_only_where_it_is():
    import tensorflow as tf

    seen = ValueError("column x: null")
    hidden = tf.errors.InvalidArgumentError(None, None, "a page of graph")
    assert program.data_error(seen, seen) is seen
    assert program.data_error(hidden, seen) is seen
    assert program.data_error(KeyError("another, later"), seen) is None
    assert program.data_error(hidden, None) is None
    try:
        raise RuntimeError("in fit") from hidden
    except RuntimeError as err:
        assert program.data_error(err, seen) is seen
