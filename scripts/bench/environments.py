"""A virtual environment for each peer, below .bench, pinned by requirements/<name>.txt."""

import functools
import pathlib
import shutil
import subprocess
import sys

from case import DidNotRun

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / ".bench"
REQUIREMENTS = pathlib.Path(__file__).parent / "requirements"


def python(name):
    """The Python of an environment, made first when its packages are not those wanted.

    DidNotRun: they cannot be installed.
    """
    failure = _make(name)
    if failure:
        raise DidNotRun(failure)
    return HOME / name / "bin" / "python"


@functools.cache
def _make(name):
    """Why the environment cannot be had; "": it is there. Tried once a process."""
    folder, wanted = HOME / name, REQUIREMENTS / f"{name}.txt"
    installed = folder / "installed.txt"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return ""
    print(f"bench: packages of {name} into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "-r", wanted], capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return f"pip install -r {wanted.name}: {(errors or lines or ['no reason given'])[-1]}"
    shutil.copyfile(wanted, installed)
    return ""
