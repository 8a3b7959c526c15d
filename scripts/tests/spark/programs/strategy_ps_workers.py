"""A parameter server that never returns, and workers that write the ids they are handed."""

import os


def main_fun(args, ctx):
    if ctx.job_name == "ps":
        ctx.start_cluster_server()[1].join()
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, f"rows-{ctx.task_index}.txt"), "w") as out:
        while batch := ctx.next_batch(args.batch_size):
            print(*batch["id"], sep="\n", file=out)
