"""Halves the CPU time of `import tensorflow`: 5.6 s, of about 90 programs of the tests.

scripts/tests/conftest.py has this folder on PYTHONPATH, so every Python program runs it first.
Keras then finds neither scikit-learn nor pandas, which it takes for optional, and the collector
of cyclic garbage sleeps while TensorFlow is imported. All else is as without it.
"""

import gc
import importlib.machinery
import sys

OPTIONAL = ("sklearn", "pandas")
KERAS = ("keras", "tf_keras")


class Finder:
    """Stands before the finders of Python."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in OPTIONAL and importer().split(".")[0] in KERAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """What it has imported lives as long as the process: nothing looks for garbage in it."""

    def exec_module(self, module):
        gc.disable()
        try:
            super().exec_module(module)
        finally:
            gc.freeze()
            gc.enable()


def importer():
    """The name of the module whose code imports."""
    frame = sys._getframe(2)
    while "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame.f_globals.get("__name__", "")


sys.meta_path.insert(0, Finder)
