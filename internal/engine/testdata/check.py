"""Checks what the engine wrote, as users of Python read it.

Each line of standard input is [FUNCTION, ARGUMENT, ...] in JSON, whose answer is a line of standard
output: {"result": ...}, or {"error": a traceback}.
"""

import json
import os
import sys
import traceback

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def flat(column):
    values = column.combine_chunks()
    shape = []
    while pa.types.is_list(values.type):
        shape.append(pc.list_value_length(values).to_pylist())
        values = values.flatten()
    return values, shape


def difference(want, have):
    (want, want_shape), (have, have_shape) = flat(want), flat(have)
    if want_shape != have_shape or want.type != have.type or len(want) != len(have):
        return f"{want.type} and {have.type}, or the lists' lengths differ"
    if pa.types.is_floating(want.type):
        return float(np.max(np.abs(want.to_numpy() - have.to_numpy()), initial=0))
    return 0.0 if want.equals(have) else "values differ"


def compare(expected, outputs):
    """The rows that pyarrow and pandas read from outputs, the pyarrow schema, and for each column
    of expected the largest difference (floats; 0 when all else is the same) or what is wrong."""
    expected = pq.read_table(expected)
    tables = [pq.read_table(path, partitioning=None) for path in outputs]
    output = pa.concat_tables(tables)
    frame = pd.concat([pd.read_parquet(path, partitioning=None) for path in outputs])
    return {
        "rows": output.num_rows,
        "pandas_rows": len(frame),
        "schema": {f.name: str(f.type) for f in output.schema},
        "order": output.column_names,
        "differences": {
            name: difference(expected[name], output[name])
            if name in output.column_names
            else "absent"
            for name in expected.column_names
        },
    }


def read(keys):
    """keys: a checkpoint's prefix -> a key that it must have."""
    for prefix, key in keys.items():
        value(prefix, key)


def equal(pairs):
    """pairs: [prefix, key, prefix of the same value, its key, what it is of]."""
    for prefix, key, other, same, what in pairs:
        np.testing.assert_array_equal(value(prefix, key), value(other, same), what)


def value(prefix, key):
    import tensorflow as tf

    return tf.train.load_checkpoint(prefix).get_tensor(key)


FUNCTIONS = {"compare": compare, "read": read, "equal": equal}
for line in sys.stdin:
    function, *arguments = json.loads(line)
    try:
        answer = {"result": FUNCTIONS[function](*arguments)}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
# At a normal end pyarrow's thread pool aborts the process, on a busy machine, if one of its threads
# has not ended ("terminate called without an active exception").
os._exit(0)
