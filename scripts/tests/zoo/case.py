"""What a way of saving a model hands to the test."""

import dataclasses
from typing import Any

import numpy as np

ROWS = 24  # a multiple of the fixed batches in the zoo
rng = np.random.default_rng(7)
WAYS: dict[str, "Way"] = {}


@dataclasses.dataclass
class Case:
    """A saved model's input, by alias or tensor name, and what the test holds it against.

    Without outputs, Python's tf.saved_model.load says them: those with a value a row.
    """

    inputs: dict[str, Any]  # alias -> array or list of one value a row
    constants: dict[str, Any] = dataclasses.field(default_factory=dict)  # alias -> value
    unused: dict[str, Any] = dataclasses.field(default_factory=dict)  # for Python, which wants all
    outputs: dict[str, Any] | None = None  # alias -> array of one value a row
    signature: str = "serving_default"
    tags: tuple[str, ...] = ("serve",)
    path: str = ""  # what the user names, below the way's folder
    saved: str | None = None  # what Python loads, below the way's folder; None: path
    job: dict[str, Any] = dataclasses.field(default_factory=dict)  # keys beside the shown lines


@dataclasses.dataclass
class Way:
    """A way of saving, as the table in docs/inference.md names it."""

    title: str
    save: Any  # function: folder -> Case


def way(title):
    """Adds a function to the zoo. It is given an empty folder of its own."""

    def add(save):
        name = save.__name__
        assert name not in WAYS, f"two ways are named {name}"
        WAYS[name] = Way(title, save)
        return save

    return add


def floats(*shape):
    """Rows of float32 values."""
    return rng.random((ROWS, *shape), dtype="float32")


def words(*choices):
    """Rows of texts, which are the choices in turn."""
    return np.array([choices[i % len(choices)] for i in range(ROWS)], dtype=object)
