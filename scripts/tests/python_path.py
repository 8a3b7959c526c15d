"""PYTHONPATH of the programs that tests start."""

import os
from pathlib import Path

FAST_IMPORTS = Path(__file__).parent / "fast_imports"


def environment(*folders):
    """The tests' environment, with packages of folders before all others."""
    paths = [*map(str, folders), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
