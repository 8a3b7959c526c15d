"""Raises where args.when says: at_once, mid_run, after_feed, after_saving.

At import: fail_import.py.
"""

import os
import sys


def main_fun(args, ctx):
    if args.when == "at_once":
        raise ValueError("raised at once")
    if args.when == "sys_exit":
        print("going down", file=sys.stderr)
        sys.exit(3)
    batches = 0
    while ctx.next_batch(args.batch_size):
        batches += 1
        if args.when == "mid_run" and ctx.task_index == 1 and batches == 2:
            raise ValueError("raised in mid-run")
    if args.when == "after_feed" and ctx.task_index == 1:
        raise ValueError("raised after the feed's end")
    if args.when == "after_saving" and ctx.is_chief:
        os.makedirs(args.export_dir)
        with open(os.path.join(args.export_dir, "saved_model.pb"), "w") as model:
            model.write("new")
        raise ValueError("raised after saving")
    if args.when == "forgets_export":
        return
