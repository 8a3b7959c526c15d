"""Graph programs of one member: training without Python, beside Keras and TensorFlow alone."""

import functools
import math
import os
import sys

import jobs
import passes
import processes
import rows
import usage
from case import LIMIT, PEER, TFOS, Case, Ratio, Sample, Side
from environments import ROOT
from processes import peer

KIND = "labelled"
BATCH = 128
SHORT = 2  # batches of an epoch that a member may not get: what is left of its rows is no batch
STEPS = {"small": 3_000, "full": 10_000}
WIDE_STEPS = {"small": 200, "full": 1_000}
SESSION_SECONDS = {"small": 2, "full": 5}
CPU = "CPU of TensorFlow's process, µs a row"
CORES = len(os.sched_getaffinity(0))


@functools.cache
def graph(kind):
    """The graph program of a kind of programs/export_graph.py, exported in each run of the
    benchmark."""

    def export(folder):
        argv = [sys.executable, jobs.PROGRAMS / "export_graph.py", kind, folder / "model"]
        processes.run(argv, folder / "log.txt", env={"PYTHONPATH": str(ROOT / "scripts")})

    name = f"{kind}.graph"
    rows.forget(name)
    return rows.made(name, export) / "model"


def job(kind, steps, settings, workers=1):
    """A job file's keys: a graph program that takes so many steps, without where it runs.

    workers: how many take a batch in each step.
    """
    count = rows.count(KIND, settings.rows)
    return {
        "app": {"graph": {"path": graph(kind)}},
        "input": {"path": rows.parquet(KIND, settings.rows)},
        "batch_size": BATCH,
        "steps": steps,
        "epochs": math.ceil(steps / (count // (BATCH * workers) - SHORT)) + 1,
    }


def sample(verdict, unit_rows, versions, **more):
    """The rate of all members from their first batch on, in units of so many rows.

    more: measurements beside it.
    """
    throughput, trained = verdict["throughput"], verdict["train"]
    measured = {
        "steps": trained["steps"],
        "step, p50, ms": throughput["step_p50_ms"],
        "step, p99, ms": throughput["step_p99_ms"],
        "feed wait, % of the time": throughput["feed_wait_percent"],
        **more,
    }
    rate = throughput["rows_per_s"] / unit_rows
    return Sample(None, [rate], {"versions": versions, "measured": measured})


def by_spark(kind, steps, folder, settings):
    """One member with one core, fed by Spark."""
    keys = job(kind, steps[settings.rows], settings)
    with usage.watching(folder) as seen:
        verdict = jobs.by_tfos(folder, {**keys, "cluster_size": 1})
    return sample(verdict, 1, {"pyspark": verdict["spark"]}, **engine_cpu(seen, verdict))


def locally(kind, steps, folder, settings):
    """One member with one core on this machine, without Spark."""
    keys = {**job(kind, steps[settings.rows], settings), "resources": {"worker": {"cores": 1}}}
    with usage.watching(folder) as seen:
        verdict, _ = jobs.here(folder, keys, "train")
    return sample(verdict, 1, {}, **engine_cpu(seen, verdict))


def engine_cpu(seen, verdict):
    """The engine's CPU, as sessions without tfos tell theirs; its start is in it."""
    return {CPU: seen.cpu("tfos-engine") / (verdict["train"]["steps"] * BATCH) * 1e6}


def fit(folder, settings):
    found = peer(
        "tensorflow",
        "keras_fit.py",
        folder,
        path=str(rows.parquet(KIND, settings.rows)),
        programs=str(jobs.PROGRAMS),
        passes=passes.FIRST + settings.warm,
        batch=BATCH,
    )
    notes = {"versions": found["versions"], "measured": {CPU: found["cpu_us"]}}
    return Sample(*passes.counted(found["rates"]), notes)


def session(kind, threads, folder, settings):
    found = peer(
        "tensorflow",
        "graph_session.py",
        folder,
        graph=str(graph(kind)),
        signature="train",
        features=784,
        batch=BATCH,
        threads=threads,
        passes=settings.warm,
        seconds=SESSION_SECONDS[settings.rows],
    )
    notes = {"versions": found["versions"], "way": found["way"], "measured": {CPU: found["cpu_us"]}}
    return Sample(None, found["rates"], notes)


def feed_wait(folder, settings):
    found = by_spark("wide", WIDE_STEPS, folder, settings)
    measured = dict(found.notes["measured"])
    wait = measured.pop("feed wait, % of the time")
    (rate,) = found.warm
    measured["rows/s"] = rate
    return Sample(None, [wait], {**found.notes, "measured": measured})


def steps_text(steps):
    return f"{steps['small']:,} (small) or {steps['full']:,} (full)"


ROW = f"{rows.KINDS[KIND].row}; {BATCH} rows a step of a worker"
PACE = (
    "tfos: from a member's first batch to its last, feeding included; this includes TensorFlow's "
    "first step."
)

CASES = (
    Case(
        name="graph.one",
        title="Graph program: MLP 784-128-10, Adam, batches of 128, one member",
        row=ROW,
        counted=f"rows trained on; tfos takes {steps_text(STEPS)} steps with one thread; "
        f"keras.fit has {CORES}",
        clock=f"{PACE} in_memory: a pass is an epoch, its second is not counted. session: a pass "
        f"is {SESSION_SECONDS['full']} s after a warm-up, the batch a constant of the graph or an "
        "array that each step is given, whichever is faster.",
        unit="rows/s",
        sides=(
            Side(
                "tfos", TFOS, "app.graph, fed by Spark", functools.partial(by_spark, "mlp", STEPS)
            ),
            Side("local", TFOS, "tfos train --local", functools.partial(locally, "mlp", STEPS)),
            Side("in_memory", PEER, "keras.fit(numpy), default arguments", fit),
            Side(
                "session",
                LIMIT,
                "the same graph in a session, one batch again and again, 1 thread",
                functools.partial(session, "mlp", 1),
            ),
            Side(
                "session_all",
                LIMIT,
                f"the same, {CORES} threads",
                functools.partial(session, "mlp", CORES),
            ),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("in_memory", "warm"), bar=2),
            Ratio(("tfos", "warm"), ("session", "warm"), bar=0.9),
            Ratio(("tfos", "warm"), ("session_all", "warm")),
            Ratio(("local", "warm"), ("in_memory", "warm")),
            Ratio(("local", "warm"), ("session", "warm")),
        ),
    ),
    Case(
        name="graph.feed_wait",
        title="Graph program slower than its feed: MLP 784-2048-2048-10",
        row=ROW,
        counted="percent of a member's time in which it waits for rows; less is better, at most 5 "
        f"are wanted; {steps_text(WIDE_STEPS)} steps",
        clock=PACE,
        unit="%",
        sides=(Side("tfos", TFOS, "app.graph, one member, fed by Spark", feed_wait),),
        ratios=(),
    ),
)
