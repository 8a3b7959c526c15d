"""Rows that Spark's tasks hand to programs, next to Spark counting the same rows.

By default those tasks are tfos's own and read the files themselves: the bars are of that.
Sides named rows_ and pipe have Spark read them, as it must any table or query: the same figures
are goals there, for on one machine the program takes its CPU from what the limit has alone.
"""

import functools
import json

import passes
import rows
from case import LIMIT, PEER, TFOS, Case, DidNotRun, Ratio, Sample, Side
from jobs import consume, events, spark_jobs
from processes import peer

MEMBERS = 2
FEED_GROUP = "tfos-feed-train"  # of tfos's Spark jobs that feed
LIMIT_MASTER = f"local-cluster[{MEMBERS},1,1024]"  # as many tasks at once as tfos has
PEER_MASTER = f"local-cluster[{MEMBERS},1,4096]"
PEER_ROWS = {"small": 2_000, "full": 10_000}
PIPED = {"read_by": "spark", "feeder": "pipe"}
REFED, CACHED = 0, "10g"  # epoch_cache


def limit(kind, folder, settings, path=None, env=None):
    """Spark counts the rows.

    path: where they are, if not in the local files; env: what reading them needs.
    """
    count = rows.count(kind, settings.rows)
    found = peer(
        "pyspark",
        "map_in_arrow.py",
        folder,
        env=env,
        master=LIMIT_MASTER,
        path=str(path or rows.parquet(kind, settings.rows)),
        rows=count,
        copies=1,
        passes=passes.FIRST + settings.warm,
        arrow_rows=rows.KINDS[kind].arrow_rows,
        group="limit",
    )
    jobs = spark_jobs(events(folder), "limit")
    if len(jobs) != passes.FIRST + settings.warm:
        raise DidNotRun(f"{len(jobs)} Spark jobs: a pass should be one")
    return Sample(*passes.of_jobs(jobs, count), {"versions": found["versions"]})


def tfos(kind, consumer, folder, settings, path=None, env=None, **keys):
    """A job whose program takes the rows of every epoch and drops them.

    path: where they are, if not in the local files; env: what reading them needs; keys: of the
    job file.
    """
    cache = keys.setdefault("epoch_cache", REFED)
    count, batch = rows.count(kind, settings.rows), rows.KINDS[kind].batch
    epochs = passes.FIRST + settings.warm
    verdict = consume(
        folder,
        consumer,
        env=env,
        cluster_size=MEMBERS,
        input={"path": path or rows.parquet(kind, settings.rows)},
        batch_size=batch,
        epochs=epochs,
        **keys,
    )
    jobs = spark_jobs(events(folder), FEED_GROUP)
    if (len(jobs) >= epochs) != (cache == REFED):
        raise DidNotRun(f"{len(jobs)} Spark jobs fed {epochs} epochs with epoch_cache: {cache}")
    marks = [json.loads(path.read_text()) for path in sorted((folder / "out").glob("marks-*"))]
    held = 0 if consumer == "count" else MEMBERS * batch
    rates = passes.of_marks(jobs[0][0], marks, count, epochs, held)
    notes = {"versions": {"pyspark": verdict["spark"]}, "seconds": verdict["seconds"]}
    if "throughput" in verdict:
        notes["throughput"] = verdict["throughput"]
    return Sample(*rates, notes)


def tensorflowonspark(kind, consumer, folder, settings):
    found = peer(
        "tensorflowonspark",
        "tensorflowonspark_feed.py",
        folder,
        master=PEER_MASTER,
        path=str(rows.parquet(kind, settings.rows)),
        rows=PEER_ROWS[settings.rows],
        consumer=consumer,
        batch=rows.KINDS[kind].batch,
        passes=passes.FIRST + settings.warm,
    )
    return Sample(*passes.counted(found["rates"]), {"versions": found["versions"]})


def case(kind):
    def side(name, role, what, function, *args, **more):
        return Side(name, role, what, functools.partial(function, kind, *args, **more))

    sides = [
        side("limit", LIMIT, "Spark mapInArrow counts the rows, no more", limit),
        side("count", TFOS, "a program counts its chunks", tfos, "count"),
        side("dataset", TFOS, "a program iterates ctx.dataset", tfos, "dataset"),
        side("rows_count", TFOS, "count, with read_by: spark", tfos, "count", read_by="spark"),
        side(
            "rows_dataset", TFOS, "dataset, with read_by: spark", tfos, "dataset", read_by="spark"
        ),
        side("pipe", TFOS, "rows_count, with feeder: pipe", tfos, "count", **PIPED),
        side("pipe_dataset", TFOS, "rows_dataset, with feeder: pipe", tfos, "dataset", **PIPED),
    ]
    ratios = [
        Ratio(("dataset", "warm"), ("limit", "warm"), bar=0.8),
        Ratio(("count", "warm"), ("limit", "warm"), bar=0.9),
        Ratio(("rows_dataset", "warm"), ("limit", "warm"), goal=0.8),
        Ratio(("rows_count", "warm"), ("limit", "warm"), goal=0.9),
        Ratio(("pipe_dataset", "warm"), ("limit", "warm"), goal=0.8),
        Ratio(("pipe", "warm"), ("limit", "warm"), goal=0.9),
        Ratio(("pipe", "warm"), ("rows_count", "warm"), bar=0.6),
        Ratio(("pipe", "cold"), ("rows_count", "cold")),
        Ratio(("dataset", "cold"), ("limit", "cold")),
        Ratio(("count", "cold"), ("limit", "cold")),
    ]
    if kind == "floats":
        sides += [
            side("next_batch", TFOS, "a program calls ctx.next_batch", tfos, "next_batch"),
            side(
                "data_feed", TFOS, "a program calls get_data_feed().next_batch", tfos, "data_feed"
            ),
            side("cached", TFOS, "count, with epoch_cache: 10g", tfos, "count", epoch_cache=CACHED),
            side("tensorflowonspark", PEER, "DataFeed.next_batch", tensorflowonspark, "next_batch"),
            side(
                "tensorflowonspark_dataset",
                PEER,
                "a Dataset of DataFeed.next_batch(1), as in its examples",
                tensorflowonspark,
                "dataset",
            ),
        ]
        peer_warm = ("tensorflowonspark", "warm")
        ratios += [
            Ratio(("dataset", "warm"), ("tensorflowonspark_dataset", "warm"), bar=60),
            Ratio(("count", "warm"), peer_warm, bar=60),
            Ratio(("dataset", "warm"), peer_warm),
            Ratio(("rows_dataset", "warm"), ("tensorflowonspark_dataset", "warm")),
            Ratio(("rows_count", "warm"), peer_warm),
            Ratio(("limit", "warm"), peer_warm),
            Ratio(("next_batch", "warm"), peer_warm, bar=20),
            Ratio(("data_feed", "warm"), peer_warm, bar=20),
            Ratio(("cached", "warm"), ("cached", "cold"), bar=5),
            Ratio(("cached", "warm"), ("count", "warm")),
        ]
    return Case(
        name=f"spark_fed.{kind}",
        title=f"Spark-fed: {rows.KINDS[kind].row}",
        row=rows.KINDS[kind].row,
        counted=f"rows handed to the programs of {MEMBERS} members, or counted by Spark; "
        f"{rows.count(kind, 'small'):,} (small) or {rows.count(kind, 'full'):,} (full) a pass, "
        f"TensorFlowOnSpark {PEER_ROWS['small']:,} or {PEER_ROWS['full']:,} of them. Every pass "
        "of every side reads them from parquet files",
        clock="A pass is an epoch. cold: the first pass of an application, from the submission of "
        "its Spark job to its last row. The second pass is not counted: rows queue up while "
        "TensorFlow is imported, and the JVM compiles. warm: the later passes in the same "
        "application, each from the last row of the pass before to its own last row.",
        unit="rows/s",
        sides=tuple(sides),
        ratios=tuple(ratios),
    )


KINDS = ("floats", "binary_3k", "binary_150k", "columns_200", "strings")
CASES = tuple(case(kind) for kind in KINDS)
