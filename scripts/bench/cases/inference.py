"""Models over parquet: tfos infer, Spark's and TensorFlowOnSpark's ways, and what limits all."""

import functools
import os
import statistics

import passes
import rows
import usage
from case import LIMIT, PEER, TFOS, Case, Ratio, Sample, Side
from jobs import by_tfos
from processes import peer

KIND = "floats"
BATCH = 1_000
MEMBERS = 2
INPUT = "image"
PEER_ROWS = {"small": 2_000, "full": 20_000}
CPU = "CPU of tfos-engine, µs a row, with the loading of the model"
CPU_WARM = "CPU of all processes, µs a row, warm"


def model(kind):
    """The SavedModel of a kind of peers/make_model.py, made once by Keras."""
    return rows.made(f"{kind}.model", functools.partial(_make, kind)) / "model"


def _make(kind, folder):
    config = {"kind": kind, "model": str(folder / "model"), "input": INPUT}
    peer("tensorflow", "make_model.py", folder, **config)


def job(kind, path, column="image"):
    """A job file's keys: a model over a column of the files at path, without where it runs."""
    return {
        "export_dir": model(kind),
        "input": {"path": path},
        "input_mapping": {column: INPUT},
        "output_mapping": {"output_0": "scores"},
        "output": {"path": "predictions"},
        "batch_size": BATCH,
    }


def tfos(kind, folder, settings):
    path = rows.parquet(KIND, settings.rows)
    with usage.watching(folder) as seen:
        verdict = by_tfos(folder, {**job(kind, path), "cluster_size": MEMBERS}, "infer")
    count, seconds, infer = rows.count(KIND, settings.rows), verdict["seconds"], verdict["infer"]
    whole = sum(seconds.get(phase, 0) for phase in ("form", "run", "export"))
    warm = verdict["ready"] + whole - infer["loaded_ms"] / 1_000
    measured = {
        "seconds from the formed cluster to the predictions": whole - seconds["form"],
        "of that after the last model was loaded": warm,
        "of that computing and writing in the slower member": infer["seconds"],
        CPU: seen.cpu("tfos-engine") / count * 1e6,
    }
    notes = {"versions": {"pyspark": verdict["spark"]}, "measured": measured}
    return Sample(count / whole, [count / warm], notes)


def script(environment, name, kind, folder, settings, **more):
    """Passes of a peer's script over all rows."""
    config = {
        "path": str(rows.parquet(KIND, settings.rows)),
        "rows": rows.count(KIND, settings.rows),
        "model": str(model(kind)),
        "input": INPUT,
        "batch": BATCH,
        "passes": passes.FIRST + settings.warm,
    }
    found = peer(environment, name, folder, **{**config, **more})
    _, warm = passes.counted(found["cpu_us"])
    notes = {"versions": found["versions"], "measured": {CPU_WARM: statistics.median(warm)}}
    return Sample(*passes.counted(found["rates"]), notes)


def predict_batch_udf(kind, folder, settings):
    master = f"local[{MEMBERS}]"
    return script("pyspark", "predict_batch_udf.py", kind, folder, settings, master=master)


def tensorflowonspark(kind, folder, settings):
    return script(
        "tensorflowonspark",
        "tensorflowonspark_infer.py",
        kind,
        folder,
        settings,
        master=f"local-cluster[{MEMBERS},1,4096]",
        rows=PEER_ROWS[settings.rows],
    )


def floor(read, kind, folder, settings):
    threads = len(os.sched_getaffinity(0))
    return script("tensorflow", "floor.py", kind, folder, settings, read=read, threads=threads)


def sides(kind, *names):
    every = (
        Side("tfos", TFOS, f"tfos infer, {MEMBERS} members", functools.partial(tfos, kind)),
        Side(
            "predict_batch_udf",
            PEER,
            f"Spark, local[{MEMBERS}]",
            functools.partial(predict_batch_udf, kind),
        ),
        Side(
            "tensorflowonspark",
            PEER,
            f"TFModel.transform, {MEMBERS} executors",
            functools.partial(tensorflowonspark, kind),
        ),
        Side(
            "session",
            LIMIT,
            "TensorFlow alone, rows in memory",
            functools.partial(floor, False, kind),
        ),
        Side(
            "floor",
            LIMIT,
            "pyarrow reads, then TensorFlow",
            functools.partial(floor, True, kind),
        ),
    )
    return tuple(side for side in every if side.name in names)


CLOCK = (
    "tfos, cold: from Spark's executors being there to the published predictions. This includes "
    "the start of members and engine and the loading of the model. tfos, warm: from the last "
    "member having loaded its model to the published predictions. This includes the members' end "
    "and the publishing. Peers and limits: a pass is one query or loop in a process that stays. "
    "cold: the first pass. The second pass is not counted. warm: the later passes, which begin "
    "with the model loaded."
)
ROW = f"{rows.KINDS[KIND].row}; a prediction has 10 float32"
ROWS = f"{rows.count(KIND, 'small'):,} (small) or {rows.count(KIND, 'full'):,} (full) a pass"
COUNTED = f"rows whose predictions are written; {ROWS}; batches of {BATCH:,}"

CASES = (
    Case(
        name="inference.mlp",
        title="Inference: MLP 784-128-10, parquet to parquet",
        row=ROW,
        counted=f"{COUNTED}; TensorFlowOnSpark {PEER_ROWS['small']:,} or {PEER_ROWS['full']:,} of "
        "the rows, which it has in memory",
        clock=CLOCK,
        unit="rows/s",
        sides=sides("mlp", "tfos", "predict_batch_udf", "tensorflowonspark", "session", "floor"),
        ratios=(
            Ratio(("tfos", "warm"), ("predict_batch_udf", "warm"), bar=4),
            Ratio(("tfos", "cold"), ("predict_batch_udf", "cold")),
            Ratio(("tfos", "warm"), ("tensorflowonspark", "warm"), bar=25),
            Ratio(("tfos", "cold"), ("tensorflowonspark", "cold")),
            Ratio(("tfos", "warm"), ("floor", "warm"), goal=0.6),
            Ratio(("tfos", "warm"), ("session", "warm")),
        ),
    ),
    Case(
        name="inference.cnn",
        title="Inference: a small CNN, parquet to parquet",
        row=f"{ROW}; two convolutions of 3 x 3 (16 and 32 channels), each with a pooling of 2 x 2",
        counted=COUNTED,
        clock=CLOCK,
        unit="rows/s",
        sides=sides("cnn", "tfos", "predict_batch_udf", "floor"),
        ratios=(
            Ratio(("tfos", "warm"), ("floor", "warm"), bar=0.9, goal=0.95),
            Ratio(("tfos", "warm"), ("predict_batch_udf", "warm")),
            Ratio(("tfos", "cold"), ("predict_batch_udf", "cold")),
        ),
    ),
)
