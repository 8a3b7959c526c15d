"""A feed task as a process, to be killed: argv[1] is JSON, see _task in test_feeder.py.

With "lines" it is the JVM instead: it writes what a task of the other kind reads.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import piped
import pyarrow as pa
from tfos import feeder


def batches(rows, batch_rows, pause):
    for first in range(0, rows, batch_rows):
        time.sleep(pause)
        ids = pa.array(range(first, min(first + batch_rows, rows)), pa.int64())
        yield pa.RecordBatch.from_arrays([ids], ["id"])


def main():
    task = json.loads(sys.argv[1])
    rows = batches(task["rows"], task["batch_rows"], task["pause"])
    args = [task["feed"], 0, task["members"], task["credentials"], rows]
    if task["lines"]:
        for line in piped.lines(*args, partition=0):
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        return
    result = feeder.feed_partition(*args, partition=0, attempt=task["attempt"])
    print(json.dumps(result.to_pylist()[0]))


if __name__ == "__main__":
    main()
