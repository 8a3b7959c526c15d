"""Takes a feed's rows, drops them, and writes at which time how many had come.

args: consumer, one of CONSUMERS; batch_size. Writes <model_dir>/marks-<worker>.json: pairs
[time.time(), rows of this worker so far], one a batch or chunk.
"""

import json
import os
import pathlib
import time


def main_fun(args, ctx):
    marks, rows = [], 0
    for count in CONSUMERS[args.consumer](args, ctx):
        rows += count
        marks.append((time.time(), rows))
    folder = pathlib.Path(args.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"marks-{ctx.worker_num}.json").write_text(json.dumps(marks))


def counting(args, ctx):
    """The member's chunks as they come, each an Arrow record batch, as in mapInArrow."""
    from tfos.connection import Chunk, FeedConnection

    connection = FeedConnection(os.environ["TFOS_SOCKET"], "train")
    taken = {}
    while True:
        event = connection.take()
        if isinstance(event, Chunk):
            rows = event.batch().num_rows
            taken[event.epoch] = taken.get(event.epoch, 0) + rows
            yield rows
            continue
        connection.trained(taken)
        if event.last:
            break
    connection.close()


def dataset(args, ctx):
    for batch in ctx.dataset(args.batch_size):
        yield next(iter(batch.values())).shape[0]


def next_batch(args, ctx):
    while (batch := ctx.next_batch(args.batch_size)) is not None:
        yield len(next(iter(batch.values())))


def data_feed(args, ctx):
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        batch = feed.next_batch(args.batch_size)
        yield len(next(iter(batch.values())) if isinstance(batch, dict) else batch)


CONSUMERS = {
    "count": counting,
    "dataset": dataset,
    "next_batch": next_batch,
    "data_feed": data_feed,
}
