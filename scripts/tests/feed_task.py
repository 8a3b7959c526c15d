"""A feed task as a process, to be killed: argv[1] is JSON, see _task in test_feeder.py.

It writes the id of the process that is the task, and then its result. With "binary" the task is
a tfos-node, and this process is the JVM.
"""

import json
import os
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
    args = [task["feed"], 0, task["members"], task["credentials"], rows, 0]
    if task["binary"]:
        with piped.Worker(task["binary"]) as worker:
            print(worker.process.pid, flush=True)
            worker.send(*args)
            print(json.dumps(worker.result(0)))
        return
    print(os.getpid(), flush=True)
    print(json.dumps(feeder.feed_partition(*args, attempt=task["attempt"]).to_pylist()[0]))


if __name__ == "__main__":
    main()
