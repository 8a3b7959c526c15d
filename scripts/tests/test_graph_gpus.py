"""Graph programs and GPUs, without Spark. There are no GPUs here: fake_gpus says what is real."""

import json
import os

import graph_models as models
import pytest
from fake_gpus import Machine
from graph_models import ROWS
from harness import PYTHON
from tfos.graph import export_training


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("m") / "model")
    made, arguments = models.wide_and_deep()
    export_training(made, path=path, **arguments)
    return path


@pytest.fixture
def train(job, model):
    """(GPUs of the worker, PATH) -> the Result of tfos train --local."""
    data = models.write(job.folder / "data.parquet", models.batches(4, models.ratings))

    def start(gpus, path):
        keys = {
            "app": {"graph": {"path": model}},
            "input": {"path": str(data)},
            "batch_size": ROWS,
            "model_dir": "ckpt",
            "local": True,
            "resources": {"worker": {"gpus": gpus}},
        }
        file = job.folder / "job.yaml"
        file.write_text(json.dumps(keys))
        return job.run("train", file, env={"PATH": path})

    return start


def test_libtensorflow_without_a_driver(train, job, tmp_path):
    """The engine's own libtensorflow is asked, and says which one it is and what it lacks."""
    machine = Machine(tmp_path / "smi", 1, PYTHON)
    result = train(1, machine.path(os.environ["PATH"]))
    assert result.code == 4, result.stderr
    cause = result.verdict["cause"]
    assert result.verdict["phase"] == "gpus" and "libtensorflow" in cause, cause
    assert "sees no GPU" in cause and ("libcuda" in cause or "without CUDA" in cause), cause
    assert not list((job.folder / "ckpt").glob("ckpt*"))  # nothing was trained
    job.assert_clean()


def test_without_gpus_nothing_is_asked(train, job, tmp_path):
    """A machine with GPUs trains on its CPU, unless the job asks for one."""
    machine = Machine(tmp_path / "smi", 1, PYTHON)
    machine.smi.write_text(f"#!/bin/sh\ntouch {machine.bin}/asked\n")
    result = train(0, machine.path(os.environ["PATH"]))
    assert result.code == 0, result.stderr
    assert "gpus" not in result.verdict and not (machine.bin / "asked").exists()
    job.assert_clean()
