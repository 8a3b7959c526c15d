"""Writes the devices that it sees to <model_dir>/<job>-<index>.json, and takes its rows.

args.seconds: how long it goes on after them."""

import json
import os
import time


def main_fun(args, ctx):
    os.makedirs(args.model_dir, exist_ok=True)
    seen = {
        name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH")
    }
    path = os.path.join(args.model_dir, f"{ctx.job_name}-{ctx.task_index}.json")
    with open(path, "w") as out:
        json.dump(seen, out)
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        feed.next_batch(args.batch_size)
    time.sleep(args.seconds)
