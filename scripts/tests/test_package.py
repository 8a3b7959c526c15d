"""scripts/tfos as pip has it: what is in the package, and the version of the binaries."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tfos

ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The archive of a source tree that has one sub-package more, and that tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "VERSION"):
        shutil.copy(ROOT / name, tree)
    unbuilt = shutil.ignore_patterns("__pycache__")
    for name in ("tfos", "tests", "versions"):
        shutil.copytree(ROOT / "scripts" / name, tree / "scripts" / name, ignore=unbuilt)
    (tree / "scripts" / "tfos" / "ml").mkdir()
    (tree / "scripts" / "tfos" / "ml" / "__init__.py").touch()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--wheel-dir", tree, tree], check=True)
    (found,) = tree.glob("*.whl")
    return found, tree


def test_tests_import_this_checkout():
    """A git worktree may be linked to the .venv of another one, whose tfos is installed there."""
    assert Path(tfos.__file__).resolve().parent == ROOT / "scripts" / "tfos"


def test_pip_has_every_file(wheel):
    found, tree = wheel
    scripts = tree / "scripts"
    want = {str(path.relative_to(scripts)) for path in scripts.glob("tfos/**/*.py")}
    assert "tfos/ml/__init__.py" in want
    with zipfile.ZipFile(found) as archive:
        got = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert got == want | {"tfos/py.typed"}


def test_pip_has_the_version(wheel):
    assert wheel[0].name == f"tfos-{VERSION}-py3-none-any.whl"


def test_the_binary_has_the_version():
    """Behind it stands the commit, which pip does not have."""
    command = [ROOT / "bin" / "tfos", "version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"tfos {VERSION}+"), said
