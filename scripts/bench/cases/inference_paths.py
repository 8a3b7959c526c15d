"""The other ways of tfos infer: rows that Spark reads, and one machine without Spark."""

import functools
import time

import rows
from case import LIMIT, PEER, TFOS, Case, DidNotRun, Ratio, Sample, Side
from jobs import by_tfos, events, here, spark_jobs, task_ends
from processes import peer

from cases.inference import BATCH, INPUT, KIND, MEMBERS, job, model

COPIES = 12  # of the rows in one query
GROUP = "tfos-feed-predict"  # of tfos's Spark job
FEW = 1_000  # rows of a small job
TIMES = 5  # a small job is run after the first


def of_tasks(log, group, count):
    """(cold, [warm]) rows/s of a query: of all its tasks, and of the later half of them."""
    ends = task_ends(log, group)
    begin, _ = spark_jobs(log, group)[0]
    half = len(ends) // 2
    if half < 4:
        raise DidNotRun(f"{len(ends)} tasks: too few to tell a later half")
    later = count * (len(ends) - half) / len(ends)
    return count / (ends[-1] - begin), [later / (ends[-1] - ends[half - 1])]


def by_spark(folder, settings):
    count = COPIES * rows.count(KIND, settings.rows)
    one = f"SELECT image FROM parquet.`{rows.parquet(KIND, settings.rows)}`"
    keys = job("first", "")
    verdict = by_tfos(
        folder,
        {**keys, "input": {"sql": " UNION ALL ".join([one] * COPIES)}, "cluster_size": MEMBERS},
        "infer",
    )
    if verdict["infer"]["rows"] != count:
        raise DidNotRun(f"{verdict['infer']['rows']} rows were predicted of {count}")
    versions = {"pyspark": verdict["spark"]}
    return Sample(*of_tasks(events(folder), GROUP, count), {"versions": versions})


def limit(folder, settings):
    count = COPIES * rows.count(KIND, settings.rows)
    found = peer(
        "pyspark",
        "map_in_arrow.py",
        folder,
        master=f"local-cluster[{MEMBERS},1,1024]",
        path=str(rows.parquet(KIND, settings.rows)),
        rows=count,
        copies=COPIES,
        passes=1,
        arrow_rows=rows.KINDS[KIND].arrow_rows,
        group="limit",
    )
    return Sample(*of_tasks(events(folder), "limit", count), {"versions": found["versions"]})


def few():
    return rows.made(f"{KIND}-{FEW}.parquet", lambda folder: rows.write(folder, KIND, FEW))


def repeated(run, folder, settings):
    """(cold, [warm]) seconds of run(folder of its own), again and again."""
    found = []
    for i in range(1 + TIMES):
        own = folder / str(i)
        own.mkdir()
        found.append(run(own))
    return Sample(found[0], found[1:])


def locally(folder):
    verdict, seconds = here(folder, job("mlp", few()))
    if verdict["infer"]["rows"] != FEW:
        raise DidNotRun(f"{verdict['infer']['rows']} rows were predicted of {FEW}")
    return seconds


def by_hand(folder):
    config = {"path": str(few()), "model": str(model("mlp")), "input": INPUT, "batch": BATCH}
    begin = time.perf_counter()
    peer("tensorflow", "infer_by_hand.py", folder, **config)
    return time.perf_counter() - begin


CASES = (
    Case(
        name="inference.spark",
        title="Inference over what Spark reads",
        row=f"{rows.KINDS[KIND].row}; the model gives the first of them back",
        counted=f"rows that Spark counts, or has predicted and writes: "
        f"{COPIES * rows.count(KIND, 'small'):,} (small) or {COPIES * rows.count(KIND, 'full'):,} "
        f"(full), {COPIES} copies of distinct ones, in one query",
        clock="By Spark's event log. cold: from the submission of the query's job to the end of "
        "its last task; warm: the later half of its tasks, which run while the JVM has compiled.",
        unit="rows/s",
        sides=(
            Side("tfos", TFOS, f"tfos infer, read_by: spark, {MEMBERS} members", by_spark),
            Side("limit", LIMIT, "Spark mapInArrow counts the rows, no more", limit),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("limit", "warm"), bar=0.85),
            Ratio(("tfos", "cold"), ("limit", "cold")),
        ),
    ),
    Case(
        name="inference.local",
        title=f"Inference without Spark: {FEW:,} rows through the MLP, the whole command",
        row=f"{rows.KINDS[KIND].row}; a prediction has 10 float32",
        counted="seconds of the whole command, from its start to its end",
        clock=f"cold: the first run (files may be in the page cache already); warm: the median of "
        f"{TIMES} more.",
        unit="s",
        sides=(
            Side("tfos", TFOS, "tfos infer --local", functools.partial(repeated, locally)),
            Side(
                "by_hand",
                PEER,
                "Python: pyarrow, TensorFlow, pyarrow",
                functools.partial(repeated, by_hand),
            ),
        ),
        ratios=(Ratio(("by_hand", "warm"), ("tfos", "warm")),),
    ),
)
