"""Spark counts rows with mapInArrow, and does no more: what Spark-fed input cannot exceed.

config.copies: how often the rows of config.path stand in one pass.
"""

import functools

import peer
import pyarrow as pa


def measure(config):
    session = peer.spark(config.master)
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", config.arrow_rows)
    part = session.read.parquet(config.path)
    frame = functools.reduce(type(part).unionAll, [part] * config.copies)
    session.sparkContext.setJobGroup(config.group, "count")
    for _ in range(config.passes):
        counted = sum(row.rows for row in frame.mapInArrow(count, "rows long").collect())
        if counted != config.rows:
            raise ValueError(f"{counted} rows counted of {config.rows}")
    session.stop()
    return {}


def count(batches):
    rows = 0
    for batch in batches:
        rows += batch.num_rows
    yield pa.RecordBatch.from_pydict({"rows": [rows]})


if __name__ == "__main__":
    peer.main(measure)
