"""Writes internal/model/operations.txt: which operations TensorFlow has, and what each gives.

usage: python -m zoo.operations > ../../internal/model/operations.txt

A line is an operation and its outputs: a type's number in DataType, the attribute that has the
type, or COUNT*type, where COUNT is the attribute that has their number; [NAME] is the attribute
that lists all types. The operations of a library follow its name in brackets.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: F401 registers its operations
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session


def registered():
    operations = op_def_pb2.OpList()
    raw = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    operations.ParseFromString(raw)
    return {op.name: op for op in operations.op}


def output(arg):
    if arg.type_list_attr:
        return f"[{arg.type_list_attr}]"
    kind = arg.type_attr or str(arg.type)
    return f"{arg.number_attr}*{kind}" if arg.number_attr else kind


def lines(operations):
    for name in sorted(operations):
        yield " ".join([name, *map(output, operations[name].output_arg)])


def table():
    core = registered()
    out = ["[tensorflow]", *lines(core)]
    import tensorflow_text  # noqa: F401 registers its operations

    added = {name: op for name, op in registered().items() if name not in core}
    return "\n".join([*out, "[tensorflow_text]", *lines(added)]) + "\n"


if __name__ == "__main__":
    print(table(), end="")
