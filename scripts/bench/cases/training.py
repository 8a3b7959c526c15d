"""Training: a synchronous job by tfos and by hand; fit on fed rows and on arrays in memory."""

import json
import os
import sys

import clusters
import passes
import rows
from case import PEER, TFOS, Case, DidNotRun, Ratio, Sample, Side
from jobs import PROGRAMS, by_tfos
from processes import peer

WORKERS = 2
STEPS = {"small": 500, "full": 3_000}
KIND = "labelled"
BATCH = 32  # what fit takes by default


def mirrored_by_tfos(folder, settings):
    (folder / "out").mkdir()
    verdict = by_tfos(
        folder,
        {
            "app": {
                "python": {
                    "file": PROGRAMS / "mirrored.py",
                    "args": ["{model_dir}", str(STEPS[settings.rows])],
                }
            },
            "strategy": "all_reduce",
            "cluster_size": WORKERS,
            "input_mode": "tensorflow",
            "model_dir": "out",
        },
    )
    return mirrored_result(folder / "out", {"pyspark": verdict["spark"]})


def mirrored_by_hand(folder, settings):
    """Processes with TF_CONFIG, as one starts them in terminals, of the same Python as tfos's."""
    out = folder / "out"
    out.mkdir()
    argv = [sys.executable, PROGRAMS / "mirrored.py", out, str(STEPS[settings.rows])]
    clusters.run({"worker": WORKERS}, lambda task: argv, folder)
    return mirrored_result(out, {})


def mirrored_result(out, versions):
    """What the workers wrote, as one: they go in lockstep."""
    found = [json.loads((out / f"worker-{i}.json").read_text()) for i in range(WORKERS)]
    for one in found:
        if one["replicas"] != WORKERS or one["threads"] != clusters.ONE_THREAD:
            raise DidNotRun(f"not {WORKERS} workers of one thread each: {one}")
    slowest = min(one["steps_per_second"] for one in found)
    return Sample(None, [slowest], {"versions": {**versions, **found[0]["versions"]}})


def fit_by_tfos(folder, settings):
    epochs = passes.FIRST + settings.warm
    verdict = by_tfos(
        folder,
        {
            "app": {
                "python": {
                    "file": PROGRAMS / "fit.py",
                    "function": "main_fun",
                    "py_files": [PROGRAMS / "mlp.py"],
                    "args": {"rows": rows.count(KIND, settings.rows)},
                }
            },
            "cluster_size": 1,
            "resources": {"worker": {"cores": len(os.sched_getaffinity(0))}},
            "input": {"path": rows.parquet(KIND, settings.rows)},
            "batch_size": BATCH,
            "epochs": epochs,
            "model_dir": "out",
        },
    )
    rates = json.loads((folder / "out" / "rates.json").read_text())
    notes = {"versions": {"pyspark": verdict["spark"]}, "seconds": verdict["seconds"]}
    return Sample(*passes.counted(rates), notes)


def fit_in_memory(folder, settings):
    found = peer(
        "tensorflow",
        "keras_fit.py",
        folder,
        path=str(rows.parquet(KIND, settings.rows)),
        programs=str(PROGRAMS),
        passes=passes.FIRST + settings.warm,
        batch=BATCH,
    )
    return Sample(*passes.counted(found["rates"]), {"versions": found["versions"]})


CASES = (
    Case(
        name="training.all_reduce",
        title="Training: MultiWorkerMirroredStrategy, MLP 784-128-10, 2 workers",
        row="784 float32 and a label, in memory; 128 rows a worker and step",
        counted=f"steps of all workers together, {STEPS['small']:,} (small) or "
        f"{STEPS['full']:,} (full), the slower worker's rate; one thread a worker on both sides",
        clock="warm: inside the program, after 100 steps of warm-up. There is no cold figure.",
        unit="steps/s",
        sides=(
            Side("tfos", TFOS, "tfos train, the file as an unmodified script", mirrored_by_tfos),
            Side("by_hand", PEER, "2 processes with TF_CONFIG", mirrored_by_hand),
        ),
        ratios=(Ratio(("tfos", "warm"), ("by_hand", "warm"), goal=0.97),),
    ),
    Case(
        name="training.fit",
        title="Training: keras.fit, MLP 784-128-10, Adam, batches of 32",
        row="784 float32 and a label",
        counted=f"rows trained on; {rows.count(KIND, 'small'):,} (small) or "
        f"{rows.count(KIND, 'full'):,} (full) an epoch",
        clock="A pass is an epoch of one call of fit. cold: the first, from the call of fit (tfos: "
        "of ctx.dataset, with the wait for the first rows); the second is not counted; warm: the "
        "following ones. TensorFlow is imported before.",
        unit="rows/s",
        sides=(
            Side("tfos", TFOS, "fit(ctx.dataset(32)), 1 member, fed by Spark", fit_by_tfos),
            Side("in_memory", PEER, "fit(numpy), default arguments", fit_in_memory),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("in_memory", "warm")),
            Ratio(("tfos", "cold"), ("in_memory", "cold")),
        ),
    ),
)
