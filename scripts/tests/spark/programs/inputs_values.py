"""Writes what it is handed to <model_dir>/rows.pickle: {tensor: (dtype, [value of each row])}."""

import os
import pickle


def main_fun(args, ctx):
    rows = {}
    while batch := ctx.next_batch(args.batch_size):
        for name, values in batch.items():
            rows.setdefault(name, (values.dtype.str, []))[1].extend(plain(values))
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, "rows.pickle"), "wb") as out:
        pickle.dump(rows, out)


def plain(values):
    """The rows as Python values: numbers, strings, and lists of these."""
    if values.dtype == object:
        return [plain(value) if hasattr(value, "dtype") else value for value in values]
    return values.tolist()
