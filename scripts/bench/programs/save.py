"""Steps on one CPU: for a time, then a checkpoint is saved, then for a time again.

args: model_dir, megabytes of the checkpoint, seconds of each time, marks (a folder). Writes
<marks>/marks.json: steps/s before and after, and the CPU seconds of the supervisor meanwhile.
"""

import json
import os
import pathlib
import time


def main_fun(args, ctx):
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np
    import tensorflow as tf

    weights = [tf.Variable(tf.random.normal((250, 1_000, 1_000 // 4))) for _ in range(parts(args))]
    checkpoint = tf.train.Checkpoint(**{f"w{i}": w for i, w in enumerate(weights)})
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), {min(os.sched_getaffinity(0))})
    matrix = np.random.default_rng(1).random((256, 256), np.float32)
    steps(matrix, 2)
    before = steps(matrix, args.seconds / 3)
    tf.train.CheckpointManager(checkpoint, args.model_dir, max_to_keep=1).save()
    node = supervisor_cpu()
    after = steps(matrix, args.seconds)
    found = {"before": before, "after": after, "node_cpu": supervisor_cpu() - node}
    (pathlib.Path(args.marks) / "marks.json").write_text(json.dumps(found))


def parts(args):
    """Variables of 250 MB."""
    return args.megabytes // 250


def steps(matrix, seconds):
    """Steps/s of so many seconds."""
    done, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        for _ in range(10):
            matrix @ matrix
        done += 10
    return done / spent


def supervisor_cpu():
    """CPU seconds of the process above the guard, `tfos-node run`, so far."""
    pid = os.getppid()
    while pid > 1:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if b"tfos-node run" in command:
            return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        pid = int(stat[1])
    return 0.0
