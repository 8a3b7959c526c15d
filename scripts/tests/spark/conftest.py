"""Fixtures of the tests that run real Spark. One standalone master serves all of a process."""

import os
import pathlib
import re
import subprocess

import jvm_classes
import pytest
from harness import PROGRAMS, PYTHON, ROOT, Job

JOB = """\
app:
  python:
    file: {program}
    function: main_fun
    args: {args}
strategy: independent
cluster_size: {members}
input: {{path: {input}, format: parquet}}
batch_size: {batch_size}
epochs: {epochs}
model_dir: {model_dir}
resources: {{worker: {{memory: 1g}}}}
spark: {spark}
{more}
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if pathlib.Path(__file__).parent in pathlib.Path(item.path).parents:
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session", autouse=True)
def shared_jvm_classes():
    """JVMs of tests start in half the time. Spark keeps its own options in other variables."""
    options = f"{os.environ.get('JAVA_TOOL_OPTIONS', '')} {jvm_classes.options()}".strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", options)
        yield


@pytest.fixture
def job(tmp_path_factory, request):
    """A Job in a short folder; whatever is left of it at the test's end is killed."""
    folder = tmp_path_factory.mktemp("j")
    one = Job(folder, re.sub(r"\W+", "-", request.node.name)[:40].strip("-").lower())
    yield one
    one.kill()


@pytest.fixture
def write_job(job):
    """Write a training job file and return its path; keywords replace the defaults."""

    def write(program, data, **settings):
        values = {
            "program": PROGRAMS / program,
            "input": data,
            "args": "{}",
            "members": 2,
            "batch_size": 32,
            "epochs": 1,
            "model_dir": job.folder / "model",
            "spark": "{}",
            "more": "",
            **settings,
        }
        path = job.folder / "job.yaml"
        path.write_text(JOB.format(**values))
        return path

    return write


@pytest.fixture(scope="session")
def standalone_sh():
    """Call scripts/standalone.sh: (folder, command, *flags, **environment) -> its process."""

    def call(folder, *argv, **env):
        return subprocess.run(
            [ROOT / "scripts" / "standalone.sh", *argv, "--dir", folder],
            env={**os.environ, "TFOS_PYTHON": str(PYTHON), "PYSPARK_PYTHON": str(PYTHON), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return call


@pytest.fixture(scope="session")
def standalone(tmp_path_factory, standalone_sh):
    """spark://… of a master with 4 workers of 3 cores and 2 GiB."""
    folder = tmp_path_factory.mktemp("s") / "c"
    shape = ["--workers", "4", "--cores", "3", "--memory", "2g"]
    started = standalone_sh(folder, "start", *shape)
    assert started.returncode == 0, started.stderr
    Job.shared_temp = folder / "tmp"
    yield started.stdout.strip()
    Job.shared_temp = None
    stopped = standalone_sh(folder, "stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    script = ROOT / "configs" / "digits" / "make_data.py"
    subprocess.run([PYTHON, script, folder], check=True, capture_output=True)
    return folder
