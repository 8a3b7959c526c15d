"""An MLP over parquet: tfos infer, Spark's and TensorFlowOnSpark's way, and what none exceeds."""

import functools
import os

import passes
import rows
from case import LIMIT, PEER, TFOS, Case, Ratio, Sample, Side
from jobs import by_tfos
from processes import peer

KIND = "floats"
BATCH = 1_000
MEMBERS = 2
INPUT = "image"
PEER_ROWS = {"small": 2_000, "full": 20_000}


def model():
    """The SavedModel MLP 784-128-10, made once by Keras."""
    return rows.made("mlp.model", lambda folder: _make(folder)) / "model"


def _make(folder):
    peer("tensorflow", "make_mlp.py", folder, model=str(folder / "model"), input=INPUT)


def tfos(folder, settings):
    verdict = by_tfos(
        folder,
        {
            "export_dir": model(),
            "input": {"path": rows.parquet(KIND, settings.rows)},
            "input_mapping": {"image": INPUT},
            "output_mapping": {"output_0": "scores"},
            "output": {"path": "predictions"},
            "batch_size": BATCH,
            "cluster_size": MEMBERS,
        },
        "infer",
    )
    count, seconds = rows.count(KIND, settings.rows), verdict["seconds"]
    whole = sum(seconds.get(phase, 0) for phase in ("form", "run", "export"))
    notes = {"versions": {"pyspark": verdict["spark"]}, "seconds": seconds}
    return Sample(count / whole, [count / seconds["run"]], notes)


def script(environment, name, folder, settings, **more):
    """Passes of a peer's script over all rows."""
    config = {
        "path": str(rows.parquet(KIND, settings.rows)),
        "rows": rows.count(KIND, settings.rows),
        "model": str(model()),
        "input": INPUT,
        "batch": BATCH,
        "passes": passes.FIRST + settings.warm,
    }
    found = peer(environment, name, folder, **{**config, **more})
    return Sample(*passes.counted(found["rates"]), {"versions": found["versions"]})


def predict_batch_udf(folder, settings):
    return script("pyspark", "predict_batch_udf.py", folder, settings, master=f"local[{MEMBERS}]")


def tensorflowonspark(folder, settings):
    return script(
        "tensorflowonspark",
        "tensorflowonspark_infer.py",
        folder,
        settings,
        master=f"local-cluster[{MEMBERS},1,4096]",
        rows=PEER_ROWS[settings.rows],
    )


def floor(read, folder, settings):
    threads = len(os.sched_getaffinity(0))
    return script("tensorflow", "floor.py", folder, settings, read=read, threads=threads)


CASES = (
    Case(
        name="inference.mlp",
        title="Inference: MLP 784-128-10, parquet to parquet",
        row=f"{rows.KINDS[KIND].row}; a prediction has 10 float32",
        counted=f"rows whose predictions are written; {rows.count(KIND, 'small'):,} (small) or "
        f"{rows.count(KIND, 'full'):,} (full) a pass, TensorFlowOnSpark {PEER_ROWS['small']:,} or "
        f"{PEER_ROWS['full']:,} of them, which it has in memory; batches of {BATCH:,}",
        clock="tfos, cold: from the SparkContext's readiness to the published predictions, with "
        "the start of members and engine and the loading of the model; warm: from the formed "
        "cluster to the published predictions, which has the loading of the model in it too. The "
        "others: a pass is one query or loop in a process that stays; cold: the first; the second "
        "is not counted; warm: the following ones, with the model loaded.",
        unit="rows/s",
        sides=(
            Side("tfos", TFOS, "tfos infer, 2 members", tfos),
            Side("predict_batch_udf", PEER, "Spark, local[2]", predict_batch_udf),
            Side("tensorflowonspark", PEER, "TFModel.transform, 2 executors", tensorflowonspark),
            Side(
                "session",
                LIMIT,
                "TensorFlow alone, rows in memory",
                functools.partial(floor, False),
            ),
            Side("floor", LIMIT, "pyarrow reads, then TensorFlow", functools.partial(floor, True)),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("predict_batch_udf", "warm")),
            Ratio(("tfos", "cold"), ("predict_batch_udf", "cold")),
            Ratio(("tfos", "warm"), ("tensorflowonspark", "warm")),
            Ratio(("tfos", "cold"), ("tensorflowonspark", "cold")),
            Ratio(("tfos", "warm"), ("floor", "warm")),
            Ratio(("tfos", "warm"), ("session", "warm")),
        ),
    ),
)
