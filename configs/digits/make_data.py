"""Write scikit-learn's handwritten digits as parquet: FOLDER/train and FOLDER/test.

Columns: id int64, image list<float> of 64 grey values 0..16, label int64.
1,437 images to train on, 360 held out, split at random with a fixed seed.
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits


def table(ids, images, labels):
    values = pa.array(images[ids].ravel().astype(np.float32))
    offsets = pa.array(np.arange(0, len(values) + 1, images.shape[1], dtype=np.int32))
    return pa.table(
        {
            "id": pa.array(ids),
            "image": pa.ListArray.from_arrays(offsets, values),
            "label": pa.array(labels[ids].astype(np.int64)),
        }
    )


def write(folder, ids, images, labels, files):
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(np.array_split(ids, files)):
        pq.write_table(table(part, images, labels), folder / f"part-{i}.parquet")


def main(folder):
    digits = load_digits()
    ids = np.random.default_rng(0).permutation(len(digits.data)).astype(np.int64)
    held_out = len(ids) // 5 + 1
    write(folder / "train", ids[held_out:], digits.data, digits.target, files=4)
    write(folder / "test", ids[:held_out], digits.data, digits.target, files=2)
    print(f"{len(ids) - held_out} digits in {folder / 'train'}, {held_out} in {folder / 'test'}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
