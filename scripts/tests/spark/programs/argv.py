"""Writes its argv, a constant of a helper module, and a parameter of the job."""

import os
import sys

import lib


def main_fun(args, ctx):
    assert sys.argv[1:] == args
    while ctx.next_batch(10):
        pass
    os.makedirs(ctx.parameters.model_dir, exist_ok=True)
    with open(os.path.join(ctx.parameters.model_dir, "seen.txt"), "w") as out:
        out.write(f"{' '.join(args)} {lib.GREETING} {ctx.parameters.batch_size}")
