"""Writes the ids of the rows it is handed to <model_dir>/rows-<worker>.txt.

args: rows_dir (in the place of model_dir), sleep (seconds a batch), stop_after (rows; then
terminate), feed (next_batch | data_feed)
"""

import os
import time


def main_fun(args, ctx):
    folder = getattr(args, "rows_dir", args.model_dir)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"rows-{ctx.task_index}.txt")
    stop_after = getattr(args, "stop_after", 0)
    with open(path, "w") as out:
        rows = 0
        for ids in batches(args, ctx):
            out.writelines(f"{i}\n" for i in ids)
            out.flush()
            rows += len(ids)
            time.sleep(getattr(args, "sleep", 0))
            if stop_after and rows >= stop_after:
                ctx.get_data_feed().terminate()
                return


def batches(args, ctx):
    if getattr(args, "feed", "next_batch") == "data_feed":
        feed = ctx.get_data_feed()
        while not feed.should_stop():
            rows = feed.next_batch(args.batch_size)
            yield [row[0] for row in rows]
        return
    while batch := ctx.next_batch(args.batch_size):
        yield batch["id"]
