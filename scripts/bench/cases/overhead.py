"""What a whole job costs beside its work, inside one Spark application."""

import functools
import json

import jobs
import rows
from case import LIMIT, PEER, TFOS, Case, Ratio, Sample, Side
from jobs import PROGRAMS, by_tfos
from processes import peer

ROWS = 100
MEMBERS = 2


def tfos(folder, settings):
    """A job of 100 rows, and when what happened in it: seconds since executors were there.

    placed     Spark has started the last member's task
    formed     every member has registered
    program    the last program runs its first line
    returned   the last program has had its rows and returns
    verdict    the job has succeeded, its export is committed
    stopped    the Spark application has ended
    """
    verdict = by_tfos(
        folder,
        {
            "app": {
                "python": {"file": PROGRAMS / "nothing.py", "args": ["{model_dir}", "{export_dir}"]}
            },
            "strategy": "independent",
            "cluster_size": MEMBERS,
            "input": {"path": few()},
            "batch_size": 10,
            "model_dir": "out",
            "export_dir": "export",
        },
    )
    seconds = verdict["seconds"]
    formed = verdict["ready"] + seconds["form"]
    programs = [json.loads(path.read_text()) for path in (folder / "out").glob("worker-*.json")]
    log = jobs.events(folder)
    tasks = (e for e in log if e["Event"] == "SparkListenerTaskStart")
    first = [e for e in tasks if e["Stage ID"] == member_stage(log)]
    times = {
        "placed": max(e["Task Info"]["Launch Time"] for e in first) / 1000,
        "formed": formed,
        "program": max(one["begin"] for one in programs),
        "returned": max(one["end"] for one in programs),
        "verdict": formed + seconds["run"] + seconds.get("export", 0),
        "stopped": max(e["Timestamp"] for e in log if e["Event"].endswith("ApplicationEnd")) / 1000,
    }
    at = {event: round(time - verdict["ready"], 3) for event, time in times.items()}
    return Sample(at["stopped"], [], {"versions": {"pyspark": verdict["spark"]}, "at": at})


def member_stage(log):
    """The stage of the members' tasks, in Spark's event log."""
    return next(
        e["Stage IDs"][0]
        for e in log
        if e["Event"] == "SparkListenerJobStart"
        and (e.get("Properties") or {}).get("spark.jobGroup.id") == "tfos-members"
    )


def few():
    return rows.made(f"floats-{ROWS}.parquet", lambda folder: rows.write(folder, "floats", ROWS))


def script(environment, name, memory, folder, settings):
    master = f"local-cluster[{MEMBERS},1,{memory}]"
    found = peer(environment, name, folder, master=master, rows=ROWS)
    return Sample(found["seconds"], [], {"versions": found["versions"]})


CASES = (
    Case(
        name="overhead",
        title="A whole job of 100 rows on 2 executors",
        row="784 float32 (tfos), 1 float (TensorFlowOnSpark), 1 number (Spark)",
        counted="seconds; programs take their rows and do nothing, without importing TensorFlow",
        clock="From when Spark's executors are there to the end of the application, each in an "
        "application of its own. cold is the only figure.",
        unit="s",
        sides=(
            Side("tfos", TFOS, "tfos train: form, feed 100 rows, export, stop", tfos),
            Side(
                "tensorflowonspark",
                PEER,
                "TFCluster.run, train, shutdown, stop",
                functools.partial(
                    script, "tensorflowonspark", "overhead_tensorflowonspark.py", 4096
                ),
            ),
            Side(
                "spark",
                LIMIT,
                "one count, stop",
                functools.partial(script, "pyspark", "overhead_spark.py", 1024),
            ),
        ),
        ratios=(
            Ratio(("tensorflowonspark", "cold"), ("tfos", "cold")),
            Ratio(("tfos", "cold"), ("spark", "cold")),
        ),
    ),
)
