"""Reads `validation` before, amid and after `train`, and writes the ids of every pass.

<model_dir>/rows-<worker>.txt: ids of train; passes-<worker>.txt: a line each pass of validation
"""

import os


def main_fun(args, ctx):
    os.makedirs(args.model_dir, exist_ok=True)

    def path(name):
        return os.path.join(args.model_dir, f"{name}-{ctx.task_index}.txt")

    with open(path("rows"), "w") as train, open(path("passes"), "w") as passes:
        validate(args, ctx, passes)
        batches = 0
        while batch := ctx.next_batch(args.batch_size):
            print(*batch["id"], sep="\n", file=train)
            batches += 1
            if batches == 2:
                validate(args, ctx, passes)
        validate(args, ctx, passes)


def validate(args, ctx, passes):
    ids = []
    while batch := ctx.next_batch(args.batch_size, feed="validation"):
        ids.extend(batch["id"])
    print(*ids, file=passes)
