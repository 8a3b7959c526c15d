"""Writes to every output that a job can have: a model and files beside it, rows, and a file in
its working directory. No output is a URL here."""

import os


def main_fun(args, ctx):
    import tensorflow as tf

    feed, rows = ctx.get_data_feed(train_mode=False), 0
    while not feed.should_stop():
        ids = feed.next_batch(100)["id"]
        feed.batch_results([{"id": int(i), "double": 2 * int(i)} for i in ids])
        rows += len(ids)
    with open("notes.txt", "w") as file:
        file.write(f"{rows} rows")
    inputs = tf.keras.Input((16,), name="image")
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inputs))
    assert os.path.isabs(args.export_dir) and "://" not in args.export_dir
    ctx.export_saved_model(model)  # on all members
    if ctx.is_chief:
        model.save(args.export_dir + ".keras")
        with open(os.path.join(os.path.dirname(args.export_dir), "other.txt"), "w"):
            pass  # a name of its own: the user is told
