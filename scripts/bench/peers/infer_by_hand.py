"""The whole of a small prediction by hand: Python, TensorFlow, parquet to parquet."""

import glob

import peer
import pyarrow as pa
import pyarrow.parquet as pq
from floor import images, signature


def measure(config):
    predict = signature(config.model)
    x = images(sorted(glob.glob(config.path + "/*.parquet")))
    parts = [predict(x[at : at + config.batch]) for at in range(0, len(x), config.batch)]
    pq.write_table(pa.table({"scores": [row for part in parts for row in part]}), "scores.parquet")
    return {}


if __name__ == "__main__":
    peer.main(measure)
