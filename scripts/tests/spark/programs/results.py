"""Hands every row's id back through batch_results."""


def main_fun(args, ctx):
    feed = ctx.get_data_feed()
    while not feed.should_stop():
        feed.batch_results([{"id": row[0]} for row in feed.next_batch(args.batch_size)])
