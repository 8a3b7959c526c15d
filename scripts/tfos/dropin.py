"""`import tensorflowonspark` in programs that tfos runs, where that package is not installed.

The folder `foreign` beside this file has a package of that name whose functions do the same over
`ctx`. A finder that comes after all others finds it: an installed package always wins.
"""

import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

NAME = "tensorflowonspark"


class Finder:
    """A finder of sys.meta_path for the package alone; its modules are found by its __path__."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != NAME:
            return None
        return importlib.machinery.PathFinder.find_spec(NAME, [foreign_folder()])


def foreign_folder() -> str:
    """In a folder, or in a zip archive that Python imports from."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "foreign")


def install() -> None:
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)


def elsewhere(name: str, instead: str) -> Callable[..., NoReturn]:
    """Stands for a function that needs a driver: it raises, and names what tfos has instead."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(
            f"tensorflowonspark.{name} runs on a Spark driver, and tfos runs this program on "
            f"executors: in its place there is {instead} (docs/migration.md)"
        )

    return refuse
