"""The memory of one engine beside its model, while far more rows go through it."""

import functools
import itertools
import os

import pyarrow as pa
import pyarrow.parquet as pq
import rows
import usage
from case import TFOS, Case, Sample, Side
from jobs import by_tfos

from cases import inference

GB = {"small": 1, "full": 10}
WANTED_MIB = 1_024
SINGLE = 500


def engine(kind, of_rows, column, folder, settings):
    """The peaks of two runs: over single rows, which is the model's and TensorFlow's, and over
    all."""
    files = sorted(rows.parquet(of_rows, settings.rows).glob("*.parquet"))
    alone, through = run(kind, column, folder / "one", functools.partial(single, files[0]))
    fed = repeated(files, GB[settings.rows] * 10**9)
    peak, through = run(kind, column, folder / "all", functools.partial(link, fed))
    measured = {
        "through the engine, MB": sum(os.stat(file).st_size for file in fed) / 1e6,
        "rows": through["infer"]["rows"],
        "peak, MiB": peak,
        "of that for the model: the peak over single rows, MiB": alone,
    }
    versions = {"pyspark": through["spark"]}
    return Sample(peak - alone, [], {"versions": versions, "measured": measured})


def run(kind, column, folder, fill):
    """The engine's peak in MiB and the verdict of an inference over what fill(folder) writes."""
    (folder / "input").mkdir(parents=True)
    fill(folder / "input")
    keys = inference.job(kind, folder / "input", column)
    with usage.watching(folder) as seen:
        verdict = by_tfos(folder, {**keys, "cluster_size": 1}, "infer")
    return seen.peak("tfos-engine"), verdict


def single(file, folder):
    """The first row of a file, in so many files that the engine lives for several looks at it."""
    batch = next(pq.ParquetFile(file).iter_batches(1))
    pq.write_table(pa.Table.from_batches([batch]), folder / "part-00000.parquet")
    link([folder / "part-00000.parquet"] * SINGLE, folder, 1)


def repeated(files, size):
    """The files again and again until they have so many bytes together."""
    fed = []
    for file in itertools.cycle(files):
        if size <= 0:
            return fed
        fed.append(file)
        size -= file.stat().st_size


def link(files, folder, start=0):
    for i, file in enumerate(files, start):
        os.link(file, folder / f"part-{i:05d}.parquet")


CASES = (
    Case(
        name="inference.memory",
        title="Memory of an engine through which more goes than it can hold",
        row=f"{rows.KINDS['floats'].row}, or one cell of 150,000 bytes",
        counted=f"MiB of one tfos-engine beside its model, at most {WANTED_MIB:,} are wanted: the "
        "kernel's peak of resident memory less that of a run over single rows",
        clock=f"{GB['small']} GB (small) or {GB['full']} GB (full) go through one engine, the same "
        f"files again and again; batches of {inference.BATCH:,} rows and 64 MiB at most.",
        unit="MiB",
        sides=(
            Side(
                "floats",
                TFOS,
                "784 float32 through an MLP",
                functools.partial(engine, "mlp", "floats", "image"),
            ),
            Side(
                "cells",
                TFOS,
                "150,000 bytes through a model that says their length",
                functools.partial(engine, "length", "binary_150k", "data"),
            ),
        ),
        ratios=(),
    ),
)
