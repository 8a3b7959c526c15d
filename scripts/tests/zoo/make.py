"""Saves a model in every way of the zoo, in one process, and writes down what Python predicts.

usage: python -m zoo.make FOLDER [WAY…]

For each way: FOLDER/WAY/model, inputs.parquet (id and the inputs, by alias), expected.parquet (id
and the outputs, by alias) and case.json. A way that fails is named, and the others are made. The
same for what is refused, where its command makes a model; and operations.txt.
"""

import dataclasses
import json
import os
import sys
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from zoo import keras3, modules, operations, tensorflow1, tf_keras2  # noqa: F401 add their ways
from zoo.case import WAYS
from zoo.refused import REFUSED


def column(values):
    """Rows as a column: nested lists, text where all bytes are UTF-8, float32 for halves."""
    if isinstance(values, list):
        return pa.array(values, pa.list_(pa.float32()))
    values = np.asarray(values)
    if values.dtype.kind in "OSU":
        flat = [v if isinstance(v, bytes) else str(v).encode() for v in values.ravel()]
        try:
            rows = np.array([v.decode() for v in flat], object)
        except UnicodeDecodeError:
            rows = np.array(flat, object)
        return pa.array(rows.reshape(values.shape).tolist())
    if values.dtype.name in ("bfloat16", "float16"):
        values = values.astype("float32")
    kind = pa.from_numpy_dtype(values.dtype)
    for _ in values.shape[1:]:
        kind = pa.list_(kind)
    return pa.array(values.tolist(), kind)


def predictions(path, case):
    """What Python's load gives for the inputs: the case's own word, or its signature's."""
    if case.outputs is not None:
        return case.inputs, case.outputs
    loaded = tf.saved_model.load(path, tags=list(case.tags))
    served = loaded.signatures[case.signature]
    takes = served.structured_input_signature[1]
    given = dict(case.inputs)
    rest = case.constants | case.unused
    if len(given) == 1 and not rest:  # whatever name Keras gave it
        ((alias, _),) = takes.items()
        given = {alias: next(iter(given.values()))}
    feeds = {k: tf.constant(plain(v), takes[k].dtype) for k, v in (given | rest).items()}
    rows = len(next(iter(given.values())))
    outputs = {k: v.numpy() for k, v in served(**feeds).items()}
    return given, {k: v for k, v in outputs.items() if v.ndim and len(v) == rows}


def plain(value):
    """An array of texts as lists, which TensorFlow takes for strings."""
    return value.tolist() if getattr(value, "dtype", "") == np.dtype(object) else value


def write(at, inputs, outputs):
    rows = len(next(iter(inputs.values())))
    for file, columns in (("inputs", inputs), ("expected", outputs)):
        ids = {"id": pa.array(range(rows), pa.int64())}
        table = pa.table(ids | {k: column(v) for k, v in columns.items()})
        pq.write_table(table, os.path.join(at, file + ".parquet"))


def save(at, **facts):
    with open(os.path.join(at, "case.json"), "w") as out:
        json.dump(facts, out)


def make(at, name):
    case = WAYS[name].save(os.path.join(at, "model"))
    saved = os.path.join(at, "model", case.path if case.saved is None else case.saved)
    write(at, *predictions(saved, case))
    path = os.path.join("model", case.path).rstrip("/")
    save(at, path=path, constants=case.constants, job=case.job)


def make_refused(at, name):
    os.mkdir(os.path.join(at, "model"))
    one = REFUSED[name](os.path.join(at, "model"))
    if one.case:
        write(at, one.case.inputs, one.case.outputs)
    facts = dataclasses.asdict(dataclasses.replace(one, case=None))
    save(
        at,
        **facts
        | {"path": os.path.normpath(os.path.join("model", one.path)), "runs": bool(one.case)},
    )


def main(folder, *names):
    failed = []
    for name in names or ["operations.txt", *WAYS, *REFUSED]:
        at = os.path.join(folder, name)
        try:
            if name == "operations.txt":
                with open(at, "w") as out:
                    out.write(operations.table())
                continue
            os.mkdir(at)
            (make if name in WAYS else make_refused)(at, name)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"not made: {', '.join(failed)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
