"""What mypy knows of a program that uses tfos. `make check` reads it; nothing runs it.

A type that tfos lost is an error at its assert_type; a misuse that mypy no longer sees is an
unused "type: ignore".
"""

import argparse

import numpy as np
import tfos
from tfos.context import Context
from tfos.feed import DataFeed
from typing_extensions import assert_type


def main_fun(args: argparse.Namespace, ctx: Context) -> None:
    assert_type(ctx.job_name, str)
    assert_type(ctx.task_index, int)
    assert_type(ctx.executor_id, int)
    assert_type(ctx.is_chief, bool)
    assert_type(ctx.cluster, dict[str, list[str]])
    assert_type(ctx.server, None)
    while (batch := ctx.next_batch(args.batch_size)) is not None:
        assert_type(batch, dict[str, np.ndarray])
    for path in ctx.checkpoints():
        assert_type(path, str)
    assert_type(ctx.tf_path("data"), str)
    ctx.export_saved_model(object(), ctx.parameters.export_dir)

    feed = ctx.get_data_feed(train_mode=True, input_mapping={"image": "x"})
    assert_type(feed, DataFeed)
    assert_type(feed.should_stop(), bool)
    feed.batch_results([1, 2])


def script() -> None:
    assert_type(tfos.get_context(), Context)


def faults(ctx: Context) -> None:
    ctx.next_batch()  # type: ignore[call-arg]
    ctx.next_batch("64")  # type: ignore[arg-type]
    ctx.next_batch(64)["x"]  # type: ignore[index]
    ctx.dataset(64, per_wroker=True)  # type: ignore[call-arg]
    print(ctx.task_indx)  # type: ignore[attr-defined]
    print(ctx.cluster["worker"] + 1)  # type: ignore[operator]
