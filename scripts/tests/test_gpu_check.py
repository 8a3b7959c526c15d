"""scripts/gpu-check.sh where it cannot do its work. Its CPU half takes minutes: run it by hand."""

import os
import shutil
import subprocess

import gpu_check
import pytest
from fake_gpus import Machine
from harness import PYTHON, ROOT

SCRIPT = ROOT / "scripts" / "gpu-check.sh"


def run(*argv, path):
    return subprocess.run(
        [SCRIPT, *argv], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_without_a_gpu(tmp_path):
    """There is no nvidia-smi, or it lists nothing: 3. Nothing was installed or run."""
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "grep", "sed"):  # and no nvidia-smi, on any machine
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    plain = str(tmp_path / "bin")
    missing = run(path=plain)
    assert missing.returncode == 3 and "no nvidia-smi" in missing.stderr, missing
    machine = Machine(tmp_path / "smi", 0, PYTHON)
    none = run(path=machine.path(plain))
    assert none.returncode == 3 and "lists none" in none.stderr, none


def test_usage():
    wrong = run("--fast", path=os.environ["PATH"])
    assert wrong.returncode == 2 and "--cpu-only" in wrong.stderr, wrong


@pytest.mark.parametrize(
    ("used", "gpus", "want"),
    [
        ([], 0, "CPU"),
        ([], 1, None),
        ([("GPU 0", 0, 9)], 1, None),
        ([("GPU 0", 55.5, 9)], 1, "GPU 0, busy 56 %, 9 MiB (-1: not measured)"),
        ([("GPU 0", -1, -1)], 1, "GPU 0, busy -1 %, -1 MiB (-1: not measured)"),
    ],
    ids=["CPU", "no device", "idle", "busy", "short"],
)
def test_a_gpu_that_was_not_used_ends_the_check(used, gpus, want):
    keys = ("device", "mean_busy_percent", "highest_memory_mib")
    verdict = {"gpus": [dict(zip(keys, one, strict=True)) for one in used]} if used else {}
    if want is None:
        with pytest.raises(SystemExit, match="gpu-check: train"):
            gpu_check.check_use("train", verdict, gpus)
    else:
        assert gpu_check.check_use("train", verdict, gpus) == want
