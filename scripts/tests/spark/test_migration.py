"""docs/migration.md: each diff in it applies to its program, which then runs under tfos."""

import re
import shutil
import subprocess

import pytest
import warm
from harness import ROOT, accuracy, flags

ROWS = 1437  # digits to train on
BEFORE = ROOT / "configs" / "migration"
GUIDE = (ROOT / "docs" / "migration.md").read_text()
DIFFS = dict(re.findall(r"<!-- diff: (\w+) -->\n```diff\n(.*?)```\n", GUIDE, re.DOTALL))


def test_every_program_has_its_diff_or_needs_none():
    assert sorted(DIFFS) == ["keras"]
    unchanged = ["tensorflowonspark", "tf_config", "tfjob"]
    assert sorted(path.name for path in BEFORE.iterdir()) == sorted([*DIFFS, *unchanged])
    for name, diff in DIFFS.items():
        changed = re.findall(r"^[+-](?![+-]{2} )", diff, re.MULTILINE)
        assert 0 < len(changed) <= 10, name
    for path in BEFORE.glob("*/job.yaml"):
        comment, _, job = path.read_text().partition("\n")
        assert comment.startswith("# ")
        assert f"```yaml\n{job}```\n" in GUIDE, path
    tfjob = (BEFORE / "tfjob" / "tfjob.yaml").read_text()
    assert f"```yaml\n{tfjob}```\n" in GUIDE


@pytest.mark.parametrize("name", ["keras", "tf_config", "tfjob", "tensorflowonspark"])
def test_migrated_program_trains(job, digits, any_master, tensorflow_python, name):
    folder = job.folder / name
    shutil.copytree(BEFORE / name, folder)
    if name in DIFFS:
        subprocess.run(
            ["patch", "-p1", "--fuzz=0"], cwd=folder, input=DIFFS[name], text=True, check=True
        )
    data = digits / "train"
    if name == "tf_config":
        data = job.folder / "records"
        script = ROOT / "configs" / "digits" / "make_tfrecords.py"
        make = [tensorflow_python, *warm.script(script, digits / "train", data)]
        subprocess.run(make, check=True, capture_output=True)
    settings = {
        "input.path": data,
        "export_dir": job.folder / "export",
        "spark.master": any_master(3),
    }
    if name == "tensorflowonspark":
        settings["model_dir"] = job.folder / "model"
    sets = flags("--set", settings)
    result = job.run("train", folder / "job.yaml", *sets)
    assert result.code == 0, result.stderr
    job.assert_clean()
    account = result.verdict["rows"]
    assert account["read"] == account["trained"] + account["dropped"]
    if name == "keras":
        assert account["read"] == 12 * ROWS
    elif name in ("tf_config", "tfjob"):
        assert account["read"] == 0
    else:  # it stops at 90 % of the steps: 19 of the 22 that an epoch has
        assert 12 * 19 * 2 * 32 <= account["trained"] < account["read"] <= 12 * ROWS
        assert (job.folder / "model" / "weights-0012.index").exists()
    assert accuracy(job.folder / "export", digits) > 0.9
