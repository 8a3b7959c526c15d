"""Notes what Python a member has, and how many rows it took. args: pause (s, before a batch)"""

import json
import os
import sys
import time


def main_fun(args, ctx):
    rows = 0
    while batch := ctx.next_batch(args.batch_size):
        print(f"{len(batch['id'])} rows", flush=True)
        rows += len(batch["id"])
        time.sleep(getattr(args, "pause", 0))
    note = {"rows": rows, "prefix": sys.prefix, "mark": os.environ.get("TFOS_TEST_MARK")}
    with open(os.path.join(args.model_dir, f"member-{ctx.task_index}.json"), "w") as file:
        json.dump(note, file)
