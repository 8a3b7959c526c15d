"""Writes the ids that its own ctx.dataset has."""

import os


def main_fun(args, ctx):
    os.makedirs(args.model_dir, exist_ok=True)
    with open(os.path.join(args.model_dir, f"rows-{ctx.task_index}.txt"), "w") as out:
        for batch in ctx.dataset(args.batch_size):
            print(*batch["id"].numpy(), sep="\n", file=out)
