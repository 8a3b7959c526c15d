"""The rows that are measured: distinct and random, made once, kept below .bench/rows.

Rows differ, because pickle writes a repeated object as a reference: peers that use pickle would
look faster. They are random, because random bytes do not compress.
"""

import dataclasses
import shutil
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from environments import HOME

FILES = 4
ROW_GROUP_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of row.

    row         in words
    small, full  how many rows there are of it; where Spark feeds them, more than the members'
                 queues hold (64 MiB each), so that a pass is fed and not drained from there
    bytes       of a row in Arrow, about
    batch       rows of a batch, where the consumer asks for batches
    arrow_rows  rows of Spark's Arrow batches in the limit
    columns     (random generator, rows) -> {column: array}
    """

    row: str
    small: int
    full: int
    bytes: int
    batch: int
    arrow_rows: int
    columns: Callable


def _floats(random, n):
    values = pa.array(random.random((n * 784), np.float32))
    offsets = pa.array(np.arange(0, (n + 1) * 784, 784, dtype=np.int32))
    return {"image": pa.ListArray.from_arrays(offsets, values)}


def _labelled(random, n):
    return {**_floats(random, n), "label": pa.array(random.integers(0, 10, n))}


def _binary(size):
    def columns(random, n):
        offsets = np.arange(0, (n + 1) * size, size, dtype=np.int32)
        data = pa.py_buffer(random.bytes(n * size))
        return {"data": pa.Array.from_buffers(pa.binary(), n, [None, pa.py_buffer(offsets), data])}

    return columns


def _scalars(random, n):
    floats = {f"f{i:03d}": pa.array(random.random(n, np.float32)) for i in range(100)}
    longs = {f"n{i:03d}": pa.array(random.integers(0, 1 << 60, n)) for i in range(100)}
    return {**floats, **longs}


def _strings(random, n):
    columns = {}
    for i in range(8):
        offsets = np.zeros(n + 1, np.int32)
        np.cumsum(random.integers(8, 33, n), out=offsets[1:])
        text = random.bytes((int(offsets[-1]) + 1) // 2).hex().encode()
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        columns[f"s{i}"] = pa.Array.from_buffers(pa.string(), n, buffers)
    return columns


KINDS = {
    "floats": Kind("784 float32 in one list column", 45_000, 100_000, 3_140, 128, 1_000, _floats),
    "binary_3k": Kind("3,072 bytes, binary", 46_000, 100_000, 3_072, 128, 1_000, _binary(3_072)),
    "binary_150k": Kind("150,000 bytes, binary", 1_000, 4_000, 150_000, 32, 100, _binary(150_000)),
    "columns_200": Kind(
        "200 scalar columns: 100 float32, 100 int64", 120_000, 250_000, 1_200, 512, 1_000, _scalars
    ),
    "strings": Kind(
        "8 string columns of 8 to 32 characters", 750_000, 1_600_000, 190, 1_024, 10_000, _strings
    ),
    "labelled": Kind("784 float32 and a label", 10_000, 60_000, 3_148, 32, 1_000, _labelled),
}


def count(kind, size):
    """Rows of a kind; size: small or full."""
    return getattr(KINDS[kind], size)


def parquet(kind, size):
    """A folder of FILES parquet files (snappy) with the rows of a kind."""
    rows = count(kind, size)
    return made(f"{kind}-{rows}.parquet", lambda folder: write(folder, kind, rows))


def write(folder, kind, rows):
    """So many rows of a kind into FILES parquet files in folder."""
    for i in range(FILES):
        n = rows * (i + 1) // FILES - rows * i // FILES
        table = pa.table(KINDS[kind].columns(np.random.default_rng([rows, i]), n))
        group = max(1, min(n, ROW_GROUP_BYTES // KINDS[kind].bytes))
        pq.write_table(table, folder / f"part-{i:05d}.parquet", row_group_size=group)


def made(name, write):
    """The folder .bench/rows/<name>, written by write(folder) unless it is there."""
    folder = HOME / "rows" / name
    if not folder.exists():
        draft = folder.with_name(name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        draft.rename(folder)
    return folder


def forget(name):
    """Deletes the folder .bench/rows/<name>."""
    shutil.rmtree(HOME / "rows" / name, ignore_errors=True)
