"""The memory of an engine that trains a small graph program for very many steps."""

import jobs
import usage
from case import TFOS, Case, DidNotRun, Sample, Side

from cases.graph import graph, steps_text

STEPS = {"small": 20_000, "full": 100_000}
BATCH = 16
FEATURES = 8
PARTITIONS = 16


def tfos(folder, settings):
    """Takes steps on rows that Spark makes, and watches all processes of the run."""
    steps = STEPS[settings.rows]
    image = f"transform(sequence(1, {FEATURES}), i -> cast(rand() AS float)) AS image"
    label = "cast(10 * rand() AS bigint) AS label"
    source = f"range(0, {steps * BATCH}, 1, {PARTITIONS})"
    job = {
        "app": {"graph": {"path": graph("small")}},
        "cluster_size": 1,
        "input": {"sql": f"SELECT {image}, {label} FROM {source}"},
        "batch_size": BATCH,
    }
    with usage.watching(folder) as seen:
        verdict = jobs.by_tfos(folder, job)
    if verdict["train"]["steps"] != steps:
        raise DidNotRun(f"{verdict['train']['steps']} steps of {steps}")
    measured = {
        "steps/s": verdict["train"]["steps_per_s"],
        **{f"{kind}, peak MiB": seen.peak(kind) for kind in ("tfos-engine", "tfos-node run")},
        "tfos-engine, MiB more at the end than after a quarter": seen.growth("tfos-engine"),
    }
    notes = {"versions": {"pyspark": verdict["spark"]}, "measured": measured}
    return Sample(seen.peak("tfos-engine"), [], notes)


CASES = (
    Case(
        name="graph.memory",
        title="Memory of an engine that trains for very many steps",
        row=f"{FEATURES} float32 and a label, made by Spark; {BATCH} rows a step",
        counted=f"MiB of tfos-engine (peak of resident memory) in {steps_text(STEPS)} steps of an "
        f"MLP {FEATURES}-8-10; less is better",
        clock="All processes of the run are looked at four times a second; peaks are the kernel's.",
        unit="MiB",
        sides=(Side("tfos", TFOS, "app.graph, one member, fed by Spark", tfos),),
        ratios=(),
    ),
)
