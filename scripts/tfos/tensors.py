"""A feed's batches as a tf.data.Dataset. TensorFlow is imported when one is made."""

import numpy as np

from . import arrays
from .arrays import DataError


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

    def generate():
        for batch in batches():
            with feed.noting_data_errors():
                for name, array in batch.items():
                    _check(feed.name, name, array, forms[name])
            yield batch

    def spec(form, *outer):
        dtype, shape = form
        return tf.TensorSpec((*outer, None, *shape), tf.string if dtype is None else dtype)

    groups = {}
    for name, form in forms.items():
        groups.setdefault(form, []).append(name)
    if len(groups) == len(forms):
        signature = {name: spec(form) for name, form in forms.items()}
        made = tf.data.Dataset.from_generator(generate, output_signature=signature)
    else:
        # Each array that a generator yields costs TensorFlow Python time: tensors of one form
        # travel as one (250 columns, 64 rows: 2 ms of CPU a batch in place of 9).
        def pack():
            for batch in generate():
                yield tuple(np.stack([batch[name] for name in names]) for names in groups.values())

        def unpack(*packed):
            found = {}
            for names, tensor in zip(groups.values(), packed, strict=True):
                found.update(zip(names, tf.unstack(tensor, num=len(names)), strict=True))
            return {name: found[name] for name in forms}

        signature = tuple(spec(form, len(names)) for form, names in groups.items())
        made = tf.data.Dataset.from_generator(pack, output_signature=signature).map(unpack)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return made.with_options(options)


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
    for value in array.flat:
        if isinstance(value, np.ndarray):
            raise DataError(
                f"feed {feed}: tensor {name}: its lists have different lengths: "
                "pad them in the input, or use ctx.next_batch"
            )
        if not isinstance(value, (str, bytes)):
            raise DataError(
                f"feed {feed}: tensor {name}: no tensor holds {type(value).__name__}: "
                "select a number or a string instead"
            )
    return None
