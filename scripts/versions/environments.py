"""What a cell of the matrix runs in: a Python with its packages, and a Spark, below .versions.

Made when they are first asked for. Packages are pinned by requirements/<environment>.txt.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / ".versions"
REQUIREMENTS = pathlib.Path(__file__).parent / "requirements"

# Fails where Debian's python3 lacks its venv.
SAY_VERSION = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


class Missing(Exception):
    """The machine lacks what a cell needs; the message says what to install."""


def interpreter(version):
    """A Python of a minor version ("3.12"): of PATH, or one that pyenv has."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for candidate in [f"python{version}", *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        try:
            found = subprocess.run([candidate, "-c", SAY_VERSION], capture_output=True, text=True)
        except FileNotFoundError:
            continue
        if found.stdout.strip() == version:  # a shim of pyenv may be there and run nothing
            return candidate
    raise Missing(
        f"Python {version} not found: install python{version} and python{version}-venv, "
        f"or run: pyenv install {version}"
    )


@functools.cache
def python(cell):
    """The Python of a cell's environment. Missing: it cannot be had."""
    folder, wanted = HOME / cell.environment, REQUIREMENTS / f"{cell.environment}.txt"
    installed = folder / "installed.txt"
    if not (installed.exists() and installed.read_bytes() == wanted.read_bytes()):
        base = interpreter(cell.python)
        print(f"versions: packages into {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", folder], check=True)
        # --no-deps: the requirements name all packages, so that nothing unpinned comes in.
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "--no-deps", "-r", wanted], capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing(f"pip install -r {wanted}: {done.stderr.strip()}")
        shutil.copyfile(wanted, installed)
    return folder / "bin" / "python"


@functools.cache
def spark_home(version):
    """The SPARK_HOME of a Spark. Missing: it cannot be had."""
    done = subprocess.run([ROOT / "scripts" / "spark.sh", version], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"PySpark {version}: {done.stderr.strip()}")
    return pathlib.Path(done.stdout.strip())
