"""Programs that know nothing of tfos, and what tfos puts around any program."""

import json
import pathlib
import re
import subprocess
import urllib.request

import pytest
from harness import PROGRAMS, PYTHON

SCRIPT = """\
app: {{python: {{file: {program}, args: {argv}, interpreter: "{interpreter}"}}}}
input_mode: tensorflow
model_dir: model
resources: {{worker: {{memory: 1g}}}}
{more}
"""


def write(job, program, argv, more="", interpreter=""):
    path = job.folder / "job.yaml"
    text = SCRIPT.format(
        program=PROGRAMS / program, argv=json.dumps(argv), more=more, interpreter=interpreter
    )
    path.write_text(text)
    return path


def test_tf_config_of_every_role(job, any_master):
    """An unmodified script; ps, workers and evaluator never end, the run does."""
    more = (
        "strategy: parameter_server\ncluster_size: 5\nnum_ps: 1\nchief: true\nevaluator: true\n"
        f"export_dir: export\nspark: {{master: '{any_master(5)}'}}"
    )
    result = job.run("train", write(job, "roles.py", ["{model_dir}", "{export_dir}"], more))
    assert result.code == 0, result.stderr
    assert (job.folder / "export" / "saved_model.pb").read_text() == "chief"
    seen = {path.stem: json.loads(path.read_text()) for path in (job.folder / "model").iterdir()}
    assert sorted(seen) == ["chief-0", "evaluator-0", "ps-0", "worker-0", "worker-1"]
    [cluster] = {json.dumps(config["cluster"]) for config in seen.values()}
    shape = {name: len(addresses) for name, addresses in json.loads(cluster).items()}
    assert shape == {"ps": 1, "chief": 1, "worker": 2}
    assert len(set(re.findall(r"[^\"]+:\d+", cluster))) == 4
    for name, config in seen.items():
        assert f"{config['task']['type']}-{config['task']['index']}" == name
    job.assert_clean()


def test_tensorboard(job, any_master):
    ended = job.folder / "ended"
    more = f"tensorboard: true\nspark: {{master: '{any_master(1)}'}}"
    path = write(job, "until.py", [str(ended)], more)
    job.start("train", path)
    log = job.folder / "stderr.txt"
    url = job.wait_for(lambda: re.search(r"TensorBoard: (http\S+)", log.read_text()), what="URL")[1]
    with urllib.request.urlopen(url, timeout=30) as page:
        assert b"TensorBoard" in page.read()
    ended.touch()
    result = job.wait()
    assert result.code == 0, result.stderr
    job.assert_clean()


def test_a_python_without_packages(job, any_master):
    """A TF-native program needs nothing of tfos's; TensorBoard that is missing is a warning."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", job.folder / "bare"], check=True)
    more = f"tensorboard: true\nspark: {{master: '{any_master(1)}'}}"
    path = write(job, "until.py", ["/"], more, interpreter=job.folder / "bare/bin/python")
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    assert "warning: worker:0: tensorboard: not installed in" in result.stderr
    job.assert_clean()


@pytest.mark.slow
def test_keras_3_fit_is_refused_by_name(job):
    path = write(job, "keras_fit.py", [], "strategy: all_reduce\ncluster_size: 2")
    result = job.run("train", path)
    assert result.code == 5, result.stderr
    assert "use tf_keras" in result.verdict["cause"], result.verdict["cause"]
    assert result.verdict["member"].startswith("worker:")
    job.assert_clean()


SHIPPED = """\
app:
  python:
    module: pkg.train
    args: ["{model_dir}"]
    files: [config.json, data/*.csv, tools]
    outputs: [notes]
strategy: independent
cluster_size: 2
input_mode: tensorflow
model_dir: model
resources: {all: {env: {A: all, B: all}}, worker: {memory: 1g, env: {B: worker}}}
"""

SHIPPED_PROGRAM = """
import json, os, subprocess, sys, time
from . import helper
from tfos import get_context
seen = {
    "name": [__name__, __package__, helper.NAME],
    "argv": sys.argv[0] == __file__,
    "absolute": os.path.isabs(__file__),
    "config": json.load(open("config.json")),
    "data": sorted(os.listdir("data")),
    "tool": subprocess.run(["tools/run.sh"], capture_output=True, text=True).stdout,
    "env": [os.environ["A"], os.environ["B"]],
}
os.makedirs("notes")
print("noted", get_context().task_index, file=open("notes/a.log", "w"))
print("unasked", file=open("other.log", "w"))
os.makedirs(sys.argv[1], exist_ok=True)
with open(f"{sys.argv[1]}/{get_context().task_index}.json", "w") as out:
    json.dump(seen, out)
if os.path.exists(os.path.join(get_context().working_dir, "fail")):
    open(f"{sys.argv[1]}/{get_context().task_index}.failing", "w").close()
    while not all(os.path.exists(f"{sys.argv[1]}/{index}.failing") for index in range(2)):
        time.sleep(0.01)  # the first failure stops the other, with or without its notes
    import sibling
"""


def test_a_module_with_its_files(job, any_master):
    """python -m's manner; files and folders in their places; what was not shipped is named."""
    files = {
        "pkg/__init__.py": "",
        "pkg/helper.py": "NAME = __name__",
        "pkg/train.py": SHIPPED_PROGRAM,
        "config.json": "[1]",
        "data/a.csv": "",
        "data/b.csv": "",
        "data/c.txt": "",
        "tools/run.sh": "#!/bin/sh\necho ran",
        "sibling.py": "",
        "job.yaml": f"{SHIPPED}spark: {{master: '{any_master(2)}'}}\n",
    }
    for name, text in files.items():
        (job.folder / name).parent.mkdir(exist_ok=True)
        (job.folder / name).write_text(text)
    (job.folder / "tools" / "run.sh").chmod(0o755)
    result = job.run("train", job.folder / "job.yaml")
    assert result.code == 0, result.stderr
    assert "train.py imports sibling.py, which lies beside" in result.stderr
    assert_notes(result.verdict)
    for index in range(2):
        assert json.loads((job.folder / "model" / f"{index}.json").read_text()) == {
            "name": ["__main__", "pkg", "pkg.helper"],
            "argv": True,
            "absolute": True,
            "config": [1],
            "data": ["a.csv", "b.csv"],
            "tool": "ran\n",
            "env": ["all", "worker"],
        }
    job.assert_clean()
    (job.folder / "fail").touch()
    job.run_id += "-again"
    result = job.run("train", job.folder / "job.yaml")
    assert result.code == 5, result.stderr
    assert "No module named 'sibling' (sibling.py lies beside" in result.verdict["cause"]
    assert_notes(result.verdict)
    job.assert_clean()


def assert_notes(verdict):
    """What each program has left in its working directory is in the record, or counted."""
    for index, files in enumerate(verdict["working_files"]):
        kept = pathlib.Path(verdict["record"], "outputs", f"worker-{index}")
        assert files["member"] == f"worker:{index}" and files["uploaded_to"] == str(kept)
        assert [files["files"], files["bytes"], files["uploaded_files"]] == [2, 16, 1]
        assert [p.name for p in kept.rglob("*")] == ["notes", "a.log"]
        assert (kept / "notes" / "a.log").read_text() == f"noted {index}\n"
    assert len(verdict["working_files"]) == 2
