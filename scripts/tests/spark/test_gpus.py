"""GPUs of members. There are none here: fake_gpus says what is real."""

import json
import os
import re
import time

import pytest
from fake_gpus import Machine
from harness import PYTHON, write_rows


def seen(job):
    return {path.stem: json.loads(path.read_text()) for path in (job.folder / "model").glob("*")}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "smi", 2, PYTHON)


@pytest.fixture(scope="module")
def gpu_master(tmp_path_factory, standalone_sh):
    """A standalone master whose two workers have a device each: (its URL, the machine)."""
    folder = tmp_path_factory.mktemp("g") / "c"
    machine = Machine(folder.parent / "smi", 2, PYTHON)
    resource = "-Dspark.worker.resource.gpu"
    started = standalone_sh(
        folder,
        "start",
        *["--workers", "2", "--cores", "2", "--memory", "2g"],
        PATH=machine.path(os.environ["PATH"]),
        SPARK_WORKER_OPTS=f"{resource}.amount=1 {resource}.discoveryScript={machine.discovery}",
    )
    assert started.returncode == 0, started.stderr
    yield started.stdout.strip(), machine
    stopped = standalone_sh(folder, "stop")
    assert stopped.returncode == 0, stopped.stderr


def write(write_job, job, machine, spark, gpus, proof=True, seconds=0):
    """A job of two workers with that many GPUs each, whose programs take so many seconds."""
    data = write_rows(job.folder / "data", 64, files=2)
    path = write_job("gpus.py", data, spark=spark, args=f"{{seconds: {seconds}}}")
    text = path.read_text().replace("{memory: 1g}", f"{{memory: 1g, gpus: {gpus}}}")
    if proof:
        text = text.replace(
            "    function:", f"    interpreter: {machine.interpreter}\n    function:"
        )
    path.write_text(text)
    return path


def test_devices_of_spark(job, write_job, gpu_master):
    """Each executor's resources file says which device its member sees."""
    url, machine = gpu_master
    result = job.run("train", write(write_job, job, machine, f"{{master: '{url}'}}", 1))
    assert result.code == 0, result.stderr
    got = seen(job)
    devices = {member["CUDA_VISIBLE_DEVICES"] for member in got.values()}
    assert len(got) == 2 and devices == set(machine.ids), got
    assert {member["TF_FORCE_GPU_ALLOW_GROWTH"] for member in got.values()} == {"true"}
    job.assert_clean()


def test_devices_of_a_host(job, write_job, machine):
    """Without Spark's assignment two members of a host have a device each. nvidia-smi is asked
    how they use it."""
    env = {"PATH": machine.path(os.environ["PATH"])}
    path = write(write_job, job, machine, "{master: 'local[4]'}", 1, seconds=12)
    result = job.run("train", path, env=env)
    assert result.code == 0, result.stderr
    devices = sorted(member["CUDA_VISIBLE_DEVICES"] for member in seen(job).values())
    assert devices == sorted(machine.ids)
    used = {one["device"]: one for one in result.verdict["gpus"]}
    assert {name.split(", ")[-1].rstrip(")") for name in used} == set(machine.ids), used
    for one in used.values():
        assert (one["mean_busy_percent"], one["highest_memory_mib"]) == (50, 1000), one
    report = "busy 50 % (mean), memory 1.0 of 9.8 GiB (highest)"
    assert result.stderr.count(report) == 2, result.stderr
    job.assert_clean()


def test_tensorflow_without_a_driver(job, write_job, machine):
    """The program's own TensorFlow is asked. Here it finds no driver."""
    env = {"PATH": machine.path(os.environ["PATH"])}
    began = time.monotonic()
    path = write(write_job, job, machine, "{master: 'local[4]'}", 1, proof=False)
    result = job.run("train", path, env=env)
    assert result.code == 4, result.stderr
    verdict = result.verdict
    assert verdict["phase"] == "gpus" and "sees no GPU" in verdict["cause"], verdict
    assert "driver" in verdict["cause"] or "CUDA" in verdict["cause"], verdict
    assert not seen(job)  # no program ran
    assert time.monotonic() - began < 120  # TensorFlow's import, on a busy machine
    job.assert_clean()


def test_a_device_that_hangs(job, write_job, machine):
    """It is given up, and named with its driver and the package of TensorFlow."""
    machine.hang()
    env = {"PATH": machine.path(os.environ["PATH"])}
    result = job.run("train", write(write_job, job, machine, "{master: 'local[4]'}", 1), env=env)
    assert result.code == 4, result.stderr
    verdict = result.verdict
    assert verdict["phase"] == "gpus" and not seen(job), verdict
    want = (
        r"tensorflow 2\.19\.1 does not compute on GPU [01] \(Fake Device 2000, GPU-.*\) of .* "
        r"\(the NVIDIA driver 555\.42\) within 20s: it may hang"
    )
    assert re.search(want, verdict["cause"]), verdict
    job.assert_clean()
