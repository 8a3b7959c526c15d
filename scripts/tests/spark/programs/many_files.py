"""Exports many files that are no model: their upload takes seconds."""

import os


def main_fun(args, ctx):
    os.makedirs(os.path.join(args.export_dir, "deep"))
    for number in range(args.files):
        with open(os.path.join(args.export_dir, "deep", f"{number:05d}"), "w") as file:
            file.write(f"{args.attempt} {number}")
    with open(os.path.join(args.export_dir, "top.txt"), "w") as file:
        file.write(args.attempt)
    if args.fail:
        raise RuntimeError("after the export")
