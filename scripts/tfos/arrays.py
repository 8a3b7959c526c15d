"""Arrow record batches as pieces of arrays, and the shuffle buffer over them.

A piece is a dict of arrays with the same first dimension, one per tensor: numpy arrays, and
for columns of strings or binary pyarrow.LargeStringArray or LargeBinaryArray, because numpy
has an object for each of them; see to_numpy.
"""

import numpy as np
import pyarrow as pa

_VECTOR = ["type", "size", "indices", "values"]  # Spark ML's VectorUDT as Arrow carries it
_DENSE = 1

_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)

_NUMBERS = {
    pa.bool_(): np.dtype(bool),
    **{kind: np.dtype(str(kind)) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{kind: np.dtype(str(kind)) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    **{pa.float16(): np.dtype("f2"), pa.float32(): np.dtype("f4"), pa.float64(): np.dtype("f8")},
}


class DataError(ValueError):
    """Rows that do not become arrays: which column, and what to do about it."""


def to_arrays(batch, mapping, place="row {}".format):
    """The piece of a record batch. mapping: (column, tensor) pairs; empty: all columns.

    Numbers share memory with the batch where Arrow's layout is numpy's: treat the arrays as
    read-only. Lists of equal length become an array [rows, length]. Lists of several lengths
    become an array of objects, one array a row. Strings and binary in lists are objects.
    place(row): for errors, where a row of the batch stands in the input.
    """
    piece = {}
    for column, tensor in mapping or [(name, name) for name in batch.schema.names]:
        index = batch.schema.get_field_index(column)
        if index < 0:
            have = ", ".join(batch.schema.names)
            raise DataError(f"column {column}: not in the input, which has {have}")
        piece[tensor] = _column(batch.column(index), column, place)
    return piece


def _column(values, name, place):
    if not is_text(values.type):
        return _array(values, name, place)
    _refuse_nulls(values, name, place)
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    return values.cast(pa.large_string() if text else pa.large_binary())


def _refuse_nulls(values, name, place, outer=None):
    if values.null_count:
        at = int(np.argmin(numbers(values.is_valid())))
        raise DataError(_null(name, place, at, outer))


def _array(values, name, place, outer=None):
    """outer: for the values of lists, position -> row of the batch."""
    _refuse_nulls(values, name, place, outer)
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(values, name, place, outer)
    if pa.types.is_fixed_size_list(kind):
        owner = _chain(lambda at: at // kind.list_size, outer)
        inner = _array(values.flatten(), name, place, owner)
        return inner.reshape(len(values), kind.list_size, *inner.shape[1:])
    if pa.types.is_struct(kind):
        return _vectors(values, name)
    if pa.types.is_decimal(kind):
        return numbers(values.cast(pa.float64()))
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        raise DataError(
            f"column {name}: {kind} has no tensor form: select numbers, strings or lists of them"
        )
    return numbers(values)


def numbers(values):
    """An Arrow array without nulls as numpy has it; numbers share its memory.

    pyarrow's to_numpy imports pandas where it is installed: 0.5 s of CPU in each process. It
    converts what is neither a number nor a boolean.
    """
    dtype, start = _NUMBERS.get(values.type), values.offset
    if dtype is None:
        return values.to_numpy(zero_copy_only=False)
    buffer = values.buffers()[1]
    if not len(values):
        return np.empty(0, dtype)
    if pa.types.is_boolean(values.type):
        bits = np.frombuffer(buffer, np.uint8)
        flags = np.unpackbits(bits, count=start + len(values), bitorder="little")
        return flags[start:].astype(bool)
    return np.frombuffer(buffer, dtype, len(values), start * dtype.itemsize)


def _lists(values, name, place, outer):
    offsets = numbers(values.offsets)
    starts = offsets - offsets[0]
    owner = _chain(lambda at: int(np.searchsorted(starts, at, side="right")) - 1, outer)
    inner = _array(values.values.slice(offsets[0], starts[-1]), name, place, owner)
    lengths = np.diff(starts)
    if len(lengths) and (lengths == lengths[0]).all():
        return inner.reshape(len(lengths), lengths[0], *inner.shape[1:])
    return _objects(np.split(inner, starts[1:-1]))


def _chain(owner, outer):
    """Position in the values of a list -> row, over all levels of lists."""
    return owner if outer is None else lambda at: outer(owner(at))


def _null(name, place, at, outer):
    if outer is None:
        return (
            f"column {name}: null in {place(at)}: "
            "replace nulls (coalesce) or filter them out in the input"
        )
    return (
        f"column {name}: null inside the list in {place(outer(at))}: "
        "replace nulls (transform) or filter them out in the input"
    )


def _vectors(values, name):
    """Spark ML vectors, dense or sparse, as [rows, size]."""
    if [f.name for f in values.type] != _VECTOR:
        raise DataError(
            f"column {name}: {values.type} has no tensor form: select the struct's fields instead"
        )
    rows = []
    for vector in values.to_pylist():
        if vector["type"] == _DENSE:
            rows.append(np.asarray(vector["values"], np.float64))
            continue
        row = np.zeros(vector["size"], np.float64)
        row[vector["indices"]] = vector["values"]
        rows.append(row)
    if len({len(r) for r in rows}) == 1:
        return np.stack(rows)
    return _objects(rows)


def _objects(rows):
    out = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        out[i] = row
    return out


def declared(kind, name):
    """(numpy dtype, inner shape) of a column by its Arrow type alone; dtype None: strings.

    name: of the tensor, for errors. Inner dimensions are None: only rows tell the lengths
    of lists.
    """
    shape = ()
    while (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        kind, shape = kind.value_type, (*shape, None)
    if pa.types.is_struct(kind) and [f.name for f in kind] == _VECTOR:
        return np.dtype(np.float64), (*shape, None)
    if pa.types.is_decimal(kind):
        return np.dtype(np.float64), shape
    if is_text(kind):
        return None, shape
    dtype = _NUMBERS.get(kind)
    if dtype is not None:
        return dtype, shape
    raise DataError(f"{name}: no tensor holds {kind}: select a number or a string instead")


def is_text(kind):
    """Whether an Arrow type is of strings or binary."""
    return any(test(kind) for test in _TEXT)


def to_numpy(piece):
    """The piece as writable numpy arrays of its own: strings and binary are objects, str and
    bytes."""
    return {name: _own(array) for name, array in piece.items()}


def _own(array):
    if isinstance(array, pa.Array):
        return array.to_numpy(zero_copy_only=False)
    return array if array.base is None and array.flags.writeable else array.copy()


def length(piece):
    """The rows of a piece."""
    return len(next(iter(piece.values())))


def cut(piece, start, stop):
    """Rows [start, stop) of a piece, sharing memory."""
    return {name: array[start:stop] for name, array in piece.items()}


def join(pieces):
    """One piece of all rows in order; it shares memory with a piece that is the only one."""
    return {name: _join([p[name] for p in pieces]) for name in pieces[0]}


def _join(arrays):
    if len(arrays) == 1 and (isinstance(arrays[0], pa.Array) or arrays[0].dtype != object):
        return arrays[0]
    if isinstance(arrays[0], pa.Array):
        # Arrow's own pool gives large memory back at once: pages are new in every batch.
        return pa.concat_arrays(arrays, pa.system_memory_pool())
    if len({a.shape[1:] for a in arrays}) == 1:
        joined = np.concatenate(arrays)
        if joined.dtype != object or joined.ndim > 1 or not isinstance(joined[0], np.ndarray):
            return joined
    rows = [row for a in arrays for row in a]
    # Lists of one length here may come from pieces with lists of several.
    return np.stack(rows) if len({row.shape for row in rows}) == 1 else _objects(rows)


class ShuffleBuffer:
    """Holds up to `rows` rows and hands them out permuted, each exactly once.

    When it is full, all its rows are permuted and half of them handed out. The other half
    mixes with the rows that come next. The order depends on the seed (a list of ints), and on
    the order and the sizes of the pieces that come.
    """

    def __init__(self, rows, seed):
        self.rows = rows
        self._random = np.random.default_rng(seed)
        self._pieces = []
        self._held = 0

    def push(self, piece):
        """Takes a piece; returns the rows now handed out, a piece or None."""
        self._pieces.append(piece)
        self._held += length(piece)
        if self._held < self.rows:
            return None
        mixed = self._mix()
        stay = self.rows // 2
        go = length(mixed) - stay
        self._pieces, self._held = ([cut(mixed, go, go + stay)], stay) if stay else ([], 0)
        return cut(mixed, 0, go)

    def flush(self):
        """The rest, a piece or None; the buffer is empty then."""
        if not self._held:
            return None
        mixed = self._mix()
        self._pieces, self._held = [], 0
        return mixed

    def _mix(self):
        order = self._random.permutation(self._held)
        return {name: _permuted(array, order) for name, array in join(self._pieces).items()}


def _permuted(array, order):
    return array.take(pa.array(order)) if isinstance(array, pa.Array) else array[order]
