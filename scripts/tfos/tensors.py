"""A feed's batches as a tf.data.Dataset. TensorFlow is imported when one is made."""

import numpy as np

from . import arrays
from .arrays import DataError

_PACKED_BYTES = 64 << 10  # of an array


def dataset(feed, first, batches):
    """A tf.data.Dataset of dicts {tensor: tensor [rows, ...]}; auto-sharding is off, because
    what a worker gets is its own share already.

    feed: a BaseFeed; first: a batch that tells types and shapes; None: there are no rows, and
    the columns tell. batches(): an iterator over batches, called for each iteration of the
    dataset. DataError: values that no tensor holds, or lists of several lengths.
    """
    import tensorflow as tf

    with feed.noting_data_errors():
        forms = _forms(feed, first)

    packs = _packs(forms, first)

    def generate():
        for batch in batches():
            with feed.noting_data_errors():
                for name, array in batch.items():
                    _check(feed.name, name, array, forms[name])
            yield {names[0]: _packed([batch[name] for name in names]) for names in packs}

    def unpack(parts):
        found = {}
        for names in packs:
            part, n = parts[names[0]], len(names)
            found.update(zip(names, tf.unstack(part, num=n) if n > 1 else [part], strict=True))
        return {name: found[name] for name in forms}

    def spec(names):
        dtype, shape = forms[names[0]]
        outer = (len(names), None) if len(names) > 1 else (None,)
        return tf.TensorSpec((*outer, *shape), tf.string if dtype is None else dtype)

    signature = {names[0]: spec(names) for names in packs}
    made = tf.data.Dataset.from_generator(generate, output_signature=signature)
    if len(packs) < len(forms):
        made = made.map(unpack)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return made.with_options(options)


def _packs(forms, batch):
    """[[tensor, …]]: which travel as one.

    Each array that a generator yields costs TensorFlow 30 us of Python. So small ones of one
    form are packed (250 columns, 64 rows: 2 ms of CPU a batch in place of 9). Large ones and
    strings are not: they would be copied twice more.
    """
    together, alone = {}, []
    for name, form in forms.items():
        if batch is not None and form[0] is not None and batch[name].nbytes <= _PACKED_BYTES:
            together.setdefault(form, []).append(name)
        else:
            alone.append([name])
    return [*together.values(), *alone]


def _packed(arrays):
    return np.stack(arrays) if len(arrays) > 1 else arrays[0]


def _forms(feed, batch):
    """{tensor: (numpy dtype, None for strings; inner shape)}."""
    if batch is not None:
        return {n: (_dtype(feed.name, n, array), array.shape[1:]) for n, array in batch.items()}
    if feed.schema is None:
        raise RuntimeError(f"feed {feed.name}: no row and no column came to this worker")
    mapping = feed.mapping or [(name, name) for name in feed.schema.names]
    prefix = f"feed {feed.name}: tensor"
    return {
        tensor: arrays.declared(feed.schema.field(column).type, f"{prefix} {tensor}")
        for column, tensor in mapping
    }


def _check(feed, name, array, form):
    dtype, shape = form
    if _dtype(feed, name, array) != dtype:
        raise DataError(f"feed {feed}: tensor {name}: {array.dtype} after {dtype}")
    if array.shape[1:] != shape:
        raise DataError(
            f"feed {feed}: tensor {name}: rows of shape {list(array.shape[1:])} after rows of "
            f"{list(shape)}: pad its lists in the input, or use ctx.next_batch"
        )


def _dtype(feed, name, array):
    """The array's dtype; None for strings."""
    if array.dtype != object:
        if array.dtype.kind in "mM":
            raise DataError(
                f"feed {feed}: tensor {name}: TensorFlow has no dates and times: "
                "select a number instead"
            )
        return array.dtype
    kinds = set(map(type, array.flat))
    if np.ndarray in kinds:
        raise DataError(
            f"feed {feed}: tensor {name}: its lists have different lengths: "
            "pad them in the input, or use ctx.next_batch"
        )
    if odd := kinds - {str, bytes}:
        raise DataError(
            f"feed {feed}: tensor {name}: no tensor holds {odd.pop().__name__}: "
            "select a number or a string instead"
        )
    return None
