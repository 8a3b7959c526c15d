"""Steps on one CPU: for a time, then a checkpoint is saved, then until the next would be.

args: model_dir, megabytes of the checkpoint, seconds before and shortly after the save, interval
(seconds from a save to the next), alone (tfos-node has the loop's CPU only), marks (a folder).
Writes <marks>/marks.json: steps/s before, shortly after and in the interval; CPU seconds of
tfos-node shortly after and in the interval, and seconds for which the loop waited for its CPU.
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
    cpu = min(os.sched_getaffinity(0))
    for process in ["self", *(supervisors() if args.alone else ())]:
        for task in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(task), {cpu})
    matrix = np.random.default_rng(1).random((256, 256), np.float32)
    steps(matrix, 2)
    before = steps(matrix, args.seconds / 3)
    tf.train.CheckpointManager(checkpoint, args.model_dir, max_to_keep=1).save()
    node, waited = node_cpu(), waiting()
    after = steps(matrix, args.seconds)
    shortly = node_cpu() - node
    rest = steps(matrix, args.interval - args.seconds)
    found = {
        "before": before,
        "after": after,
        "interval": (after * args.seconds + rest * (args.interval - args.seconds)) / args.interval,
        "node_cpu": node_cpu() - node,
        "node_cpu_after": shortly,
        "waited": waiting() - waited,
    }
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


def waiting():
    """Seconds for which this thread was ready to run, and another had its CPU."""
    return int(pathlib.Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def node_cpu():
    """CPU seconds so far of the process above the guard, and of the one that uploads."""
    ticks = sum(int(field) for pid in supervisors() for field in stat(pid)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def supervisors():
    """`tfos-node run` above this process, and its `tfos-node upload`."""
    pid = os.getppid()
    while "tfos-node run" not in command(pid):
        pid = int(stat(pid)[1])
    children = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    uploads = [
        int(child)
        for task in children
        for child in task.read_text().split()
        if "tfos-node upload" in command(child)
    ]
    return [pid, *uploads]


def command(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def stat(pid):
    """The fields of proc_pid_stat(5) from the state on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
