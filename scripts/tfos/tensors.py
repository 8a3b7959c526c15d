"""A feed's batches as a tf.data.Dataset. TensorFlow is imported when one is made."""

import numpy as np
import pyarrow as pa

from tfos import arrays
from tfos.arrays import DataError
from tfos.packs import Alone, packs


def dataset(feed, first, batches, batch_size=None):
    """A tf.data.Dataset of dicts {tensor: tensor [rows, ...]}; auto-sharding is off, because
    what a worker gets is its own share already.

    feed: a BaseFeed; first: a batch that tells types and shapes; None: there are no rows, and
    the columns tell. batches(): an iterator over batches (pieces, see arrays), called for each
    iteration of the dataset. batch_size: rows of a batch where a piece may be several batches;
    None: each is one. DataError: values that no tensor holds, or lists of several lengths.
    """
    import tensorflow as tf

    with feed.noting_data_errors():
        forms = _forms(feed, first)

    parts = packs(forms, first)

    def generate():
        for batch in batches():
            with feed.noting_data_errors():
                for name, array in batch.items():
                    _check(feed.name, name, array, forms[name])
            yield {part.names[0]: part.packed(batch) for part in parts}

    def unpack(packed):
        found = {}
        for part in parts:
            found.update(zip(part.names, part.unpacked(tf, packed[part.names[0]]), strict=True))
        return {name: found[name] for name in forms}

    signature = {part.names[0]: part.spec(tf) for part in parts}
    made = tf.data.Dataset.from_generator(generate, output_signature=signature)
    if not all(isinstance(part, Alone) for part in parts):
        made = made.map(unpack)
    if batch_size is not None:
        made = made.rebatch(batch_size)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return made.with_options(options)


def _forms(feed, batch):
    """{tensor: (numpy dtype, None for strings; inner shape)}."""
    if batch is not None:
        return {name: _form(feed.name, name, array) for name, array in batch.items()}
    if feed.schema is None:
        raise RuntimeError(f"feed {feed.name}: no row and no column came to this worker")
    mapping = feed.mapping or [(name, name) for name in feed.schema.names]
    prefix = f"feed {feed.name}: tensor"
    return {
        tensor: arrays.declared(feed.schema.field(column).type, f"{prefix} {tensor}")
        for column, tensor in mapping
    }


def _form(feed, name, array):
    """(dtype, None for strings; inner shape)."""
    if isinstance(array, pa.Array):
        return None, ()
    return _dtype(feed, name, array), array.shape[1:]


def _check(feed, name, array, form):
    dtype, shape = _form(feed, name, array)
    if dtype != form[0]:
        raise DataError(f"feed {feed}: tensor {name}: {dtype} after {form[0]}")
    if shape != form[1]:
        raise DataError(
            f"feed {feed}: tensor {name}: rows of shape {list(shape)} after rows of "
            f"{list(form[1])}: pad its lists in the input, or use ctx.next_batch"
        )


def _dtype(feed, name, array):
    """A numpy array's dtype; None for strings."""
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
