"""The mean of tensors over the members of a cluster, by TensorFlow's collective operations.

A train step is traced twice: without members, for one member and for parameter servers, and with
members. Only the second graph has collective operations. How many members there are is an input
of that graph; which operations belong together is said by keys that all members have in common,
because all run the same graph.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

from tfos.graph.errors import ExportError

# All collective operations of a graph have this group: its members.
GROUP_KEY = 1
# Dense tensors travel together up to this size. TensorFlow's strategies pack alike
# (tf.distribute.experimental.CommunicationOptions.bytes_per_pack).
PACK_BYTES = 32 << 20
# Two members gather vectors up to this size. At 4 MB the ring is as fast, because a gather copies
# more; at 32 MB it is twice as fast.
GATHER_BYTES = 1 << 20

_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class Members:
    """The members of a cluster while their train step is traced.

    size: how many, an int32 tensor. used: whether the step has averaged anything.
    """

    def __init__(self, size: tf.Tensor) -> None:
        self.size = size
        self.used = False
        self._keys = itertools.count(1)

    def options(self) -> dict[str, Any]:
        """Arguments of the next collective operation."""
        return {
            "group_size": self.size,
            "group_key": GROUP_KEY,
            "instance_key": next(self._keys),
            "ordering_token": [],
        }

    def reduce(self, tensor: tf.Tensor, merge: str, final: str) -> tf.Tensor:
        """A tensor merged over all members; its shape is the same on each."""
        return tf.raw_ops.CollectiveReduceV2(
            input=tensor, merge_op=merge, final_op=final, **self.options()
        )

    def gather(self, tensor: tf.Tensor) -> tf.Tensor:
        """The rows of all members, in the members' order; the shape is the same on each."""
        return tf.raw_ops.CollectiveGatherV2(input=tensor, **self.options())

    def mean(self, vector: tf.Tensor) -> tf.Tensor:
        """The mean of a vector over all members.

        Two members send each other small vectors. TensorFlow's reduction is a ring: it sends as
        many bytes, half of them after the other half has arrived.
        """

        def of_all() -> tf.Tensor:
            return self.reduce(vector, "Add", "Div")

        def of_two() -> tf.Tensor:
            return tf.reduce_mean(tf.reshape(self.gather(vector), [2, -1]), 0)

        count = vector.shape.num_elements()
        if count is None or count * vector.dtype.size > GATHER_BYTES:
            return of_all()
        return tf.cond(tf.equal(self.size, 2), of_two, of_all)


_members: ContextVar[Members | None] = ContextVar("members", default=None)


@contextlib.contextmanager
def traced_with(members: Members | None) -> Iterator[None]:
    """all_reduce averages over these members inside of it; None: it returns what it is given."""
    before = _members.set(members)
    try:
        yield
    finally:
        _members.reset(before)


def all_reduce(tensors: Sequence[Any]) -> list[Any]:
    """The mean of each tensor over all members of the cluster.

    For a train_step, between tape.gradient and the optimizer. tensors: floating-point tensors
    with one shape on all members, tf.IndexedSlices with any number of rows, or None, which stays
    None. In the graph for one member and for parameter servers they come back as they are.
    """
    members = _members.get()
    if members is None:
        return list(tensors)
    members.used = True
    found = list(tensors)
    for one in found:
        if one is not None and one.dtype not in _FLOATS:
            raise ExportError(f"all_reduce: {one}: only floating-point tensors have a mean")
    sparse = [i for i, one in enumerate(found) if isinstance(one, tf.IndexedSlices)]
    for i, mean in zip(sparse, _mean_slices(members, [found[i] for i in sparse]), strict=True):
        found[i] = mean
    dense = [i for i, one in enumerate(found) if one is not None and i not in sparse]
    for pack in _packs(dense, found):
        for i, mean in zip(pack, _mean_pack(members, [found[i] for i in pack]), strict=True):
            found[i] = mean
    return found


def _packs(indices: list[int], tensors: list[Any]) -> list[list[int]]:
    """Indices of tensors that travel together: one type, up to PACK_BYTES, in order."""
    packs: list[list[int]] = []
    filled: dict[tf.DType, tuple[list[int], int]] = {}
    for i in indices:
        dtype = tensors[i].dtype
        size = (tensors[i].shape.num_elements() or 0) * dtype.size
        pack, before = filled.get(dtype, ([], PACK_BYTES))
        if before + size > PACK_BYTES:
            pack, before = [], 0
            packs.append(pack)
        pack.append(i)
        filled[dtype] = (pack, before + size)
    return packs


def _mean_pack(members: Members, tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The means of tensors that travel as one vector."""
    flat = tf.concat([tf.reshape(one, [-1]) for one in tensors], 0)
    means = members.mean(flat)
    static = all(one.shape.is_fully_defined() for one in tensors)
    sizes = [one.shape.num_elements() if static else tf.size(one) for one in tensors]
    parts = tf.split(means, sizes, num=len(tensors))
    return [
        tf.reshape(part, one.shape if static else tf.shape(one))
        for part, one in zip(parts, tensors, strict=True)
    ]


def _mean_slices(members: Members, slices: list[tf.IndexedSlices]) -> list[tf.IndexedSlices]:
    """The means of sparse gradients: the rows of all members, each divided by their number.

    A gather needs one shape: members with fewer rows add rows of zeros for index 0.
    """
    if not slices:
        return []
    rows = tf.stack([tf.shape(one.indices)[0] for one in slices])
    most = tf.unstack(members.reduce(rows, "Max", "Id"), len(slices))
    found = []
    for i, one in enumerate(slices):
        lacking = most[i] - rows[i]
        indices = tf.pad(one.indices, [[0, lacking]])
        values = tf.pad(one.values, [[0, lacking], *[[0, 0]] * (one.values.shape.rank - 1)])
        mean = members.gather(values) / tf.cast(members.size, values.dtype)
        mean.set_shape([None, *one.values.shape[1:]])
        found.append(tf.IndexedSlices(mean, members.gather(indices), one.dense_shape))
    return found
