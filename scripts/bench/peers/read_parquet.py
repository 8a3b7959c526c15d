"""pyarrow reads parquet files: the rows of all their record batches, counted."""

import glob
from concurrent.futures import ThreadPoolExecutor

import peer
import pyarrow as pa
import pyarrow.parquet as pq


def measure(config):
    pa.set_cpu_count(config.threads)
    pa.set_io_thread_count(config.threads)
    files = sorted(glob.glob(config.path + "/*.parquet"))

    def work():
        with ThreadPoolExecutor(config.threads) as pool:
            rows = sum(pool.map(read, files))
        if rows != config.rows:
            raise ValueError(f"{rows} rows read of {config.rows}")

    return {"rates": peer.rates(work, config.rows, config.passes)}


def read(path):
    """A file for each thread, inside of which pyarrow has no threads: faster here than its own
    for one list column."""
    return pq.read_table(path, use_threads=False).num_rows


if __name__ == "__main__":
    peer.main(measure)
