"""Programs that know nothing of tfos, and what tfos puts around any program."""

import json
import re
import subprocess
import urllib.request

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


def test_tf_config_of_every_role(job):
    """An unmodified script; ps, workers and evaluator never end, the run does."""
    more = (
        "strategy: parameter_server\ncluster_size: 5\nnum_ps: 1\nchief: true\nevaluator: true\n"
        "export_dir: export"
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


def test_tensorboard(job):
    ended = job.folder / "ended"
    path = write(job, "until.py", [str(ended)], "tensorboard: true")
    job.start("train", path)
    log = job.folder / "stderr.txt"
    url = job.wait_for(
        lambda: re.search(r"TensorBoard: (http\S+)", log.read_text()), timeout=150, what="URL"
    )[1]
    with urllib.request.urlopen(url, timeout=30) as page:
        assert b"TensorBoard" in page.read()
    ended.touch()
    result = job.wait()
    assert result.code == 0, result.stderr
    job.assert_clean()


def test_a_python_without_packages(job):
    """A TF-native program needs nothing of tfos's; TensorBoard that is missing is a warning."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", job.folder / "bare"], check=True)
    path = write(
        job, "until.py", ["/"], "tensorboard: true", interpreter=job.folder / "bare/bin/python"
    )
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    assert "warning: worker:0: tensorboard: not installed in" in result.stderr
    job.assert_clean()


def test_keras_3_fit_is_refused_by_name(job):
    path = write(job, "keras_fit.py", [], "strategy: all_reduce\ncluster_size: 2")
    result = job.run("train", path)
    assert result.code == 5, result.stderr
    assert "use tf_keras" in result.verdict["cause"], result.verdict["cause"]
    assert result.verdict["member"].startswith("worker:")
    job.assert_clean()
