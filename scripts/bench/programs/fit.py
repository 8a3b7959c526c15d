"""keras.fit on the rows that Spark feeds, through ctx.dataset."""

import json
import pathlib

import mlp

BATCH = 32  # what fit takes by default


def main_fun(args, ctx):
    timer = mlp.EpochTimer()  # waiting for the first rows is part of the first epoch
    batches = ctx.dataset(BATCH).map(lambda row: (row["image"], row["label"]))
    steps = args.rows // BATCH
    mlp.compiled().fit(
        batches, epochs=args.epochs, steps_per_epoch=steps, verbose=0, callbacks=[timer]
    )
    folder = pathlib.Path(args.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rates.json").write_text(json.dumps(timer.rates(steps * BATCH)))
