"""Fixtures of the tests that run real Spark. One standalone master serves them all."""

import os
import pathlib
import re
import signal
import subprocess
import threading

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
def standalone(tmp_path_factory):
    """spark://… of a master with 3 workers of 3 cores, daemons of the pip pyspark."""
    daemons = Daemons(tmp_path_factory.mktemp("s"))
    try:
        url = daemons.master()
        for i in range(3):
            daemons.worker(url, i)
        Job.shared_temp = daemons.temp
        yield url
    finally:
        Job.shared_temp = None
        daemons.stop()


class Daemons:
    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.temp = folder / "tmp"  # of the executors, and so of their members
        self.temp.mkdir()
        home = subprocess.run(
            [
                PYTHON,
                "-c",
                "import importlib.util as u;"
                "print(u.find_spec('pyspark').submodule_search_locations[0])",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        self.home = pathlib.Path(home.stdout.strip())

    def master(self):
        line = self.start(
            "org.apache.spark.deploy.master.Master",
            ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"],
            r"Starting Spark master at (spark://\S+)",
        )
        return line.group(1)

    def worker(self, url, index):
        work = self.folder / f"work{index}"
        argv = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        argv += ["--cores", "3", "--memory", "2g", "--work-dir", str(work), url]
        self.start(
            "org.apache.spark.deploy.worker.Worker", argv, r"Successfully registered with master"
        )

    def start(self, main, argv, ready):
        process = subprocess.Popen(
            [self.home / "bin" / "spark-class", main, *argv],
            env={
                **os.environ,
                "SPARK_HOME": str(self.home),
                "SPARK_DAEMON_MEMORY": "256m",
                "TMPDIR": str(self.temp),
                "PYSPARK_PYTHON": str(PYTHON),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        for line in process.stderr:
            found = re.search(ready, line)
            if found:
                # Keep reading, or the daemon blocks on a full pipe.
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return found
        raise AssertionError(f"{main} ended before it was ready")

    def stop(self):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    script = ROOT / "configs" / "digits" / "make_data.py"
    subprocess.run([PYTHON, script, folder], check=True, capture_output=True)
    return folder
