"""Names, types and shapes of what a signature takes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tfos.graph.errors import ExportError

Specs = dict[str, tf.TensorSpec]

# What TensorFlow keeps unchanged as the name of an argument.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Names that Keras makes up for inputs without one. They differ from process to process.
_MADE_UP = re.compile(r"keras_tensor(_\d+)?|input_layer(_\d+)?|input(_\d+)?")


def named(given: Any, what: str) -> Specs:
    """Specs by name of a mapping, a list of named specs, or one spec.

    given: each a tf.TensorSpec, or anything with shape and dtype, such as keras.Input. One spec
    without a name is x. what: how errors name the parameter.
    """
    if isinstance(given, Mapping):
        pairs = [(str(name), one) for name, one in given.items()]
    elif isinstance(given, list | tuple):
        pairs = [(name_of(one), one) for one in given]
        if len(pairs) == 1:
            pairs = [(pairs[0][0] or "x", pairs[0][1])]
    else:
        pairs = [(name_of(given) or "x", given)]
    found: Specs = {}
    for name, one in pairs:
        _check_name(name, found, what)
        found[name] = _spec(one, name, what)
    return found


def name_of(one: Any) -> str:
    """The name that an author gave to a spec or a keras.Input; empty where Keras made it up."""
    name = str(getattr(one, "name", None) or "")
    return "" if _MADE_UP.fullmatch(name) else name


def described(specs: Specs) -> str:
    """Specs as an error shows them: x float32 [?, 4], label int64 [?]."""
    texts = []
    for name, one in specs.items():
        shape = one.shape
        sizes = "?" if shape.rank is None else ", ".join(str(n or "?") for n in shape)
        texts.append(f"{name} {one.dtype.name} [{sizes}]")
    return ", ".join(texts)


@contextlib.contextmanager
def plain_errors(what: str, inputs: Specs) -> Iterator[None]:
    """Makes what TensorFlow, Keras or an author's code raises an ExportError about these inputs."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # TensorFlow wraps errors of what it traces
            if isinstance(cause, ExportError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        message = f"{what}: it cannot be computed from {described(inputs)}: {error}"
        texts = [name for name, one in inputs.items() if one.dtype == tf.string]
        if texts and "string" in str(error).lower():
            message += (
                f"\n{', '.join(texts)}: text, where numbers are needed: "
                "begin with keras.layers.StringLookup or TextVectorization"
            )
        raise ExportError(message) from error


def _check_name(name: str, found: Specs, what: str) -> None:
    if not name:
        raise ExportError(
            f"{what}: several tensors, and one has no name: name each, as in "
            'keras.Input((4,), name="age") or tf.TensorSpec([None, 4], name="age")'
        )
    if not _NAME.fullmatch(name):
        raise ExportError(f"{what}: {name!r}: a name has letters, digits and _ only")
    if name in found:
        raise ExportError(f"{what}: {name!r}: two tensors have this name")


def _spec(one: Any, name: str, what: str) -> tf.TensorSpec:
    if getattr(one, "sparse", False) or getattr(one, "ragged", False):
        raise ExportError(
            f"{what}: {name}: sparse and ragged tensors cannot be fed: use dense ones"
        )
    if isinstance(one, tf.SparseTensorSpec | tf.RaggedTensorSpec):
        raise ExportError(
            f"{what}: {name}: sparse and ragged tensors cannot be fed: use dense ones"
        )
    if not hasattr(one, "shape") or not hasattr(one, "dtype"):
        raise ExportError(f"{what}: {name}: {one!r} is no tf.TensorSpec")
    return tf.TensorSpec(one.shape, one.dtype, name)
