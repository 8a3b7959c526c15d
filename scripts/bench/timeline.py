"""When what happened in a job: its own account, Spark's event log and its program together."""

import json
import re

from runs import by_tfos


def timeline(folder):
    """Run nothing.py as a job: seconds from the SparkContext's readiness to each event.

    placed     Spark has started the last member's task
    formed     every member has registered
    program    the last program runs its first line
    returned   the last program has returned
    verdict    the job has succeeded, its export is committed
    stopped    the Spark application has ended
    """
    log = folder / "events"
    log.mkdir()
    more = (
        "export_dir: export\n"
        f"spark: {{conf: {{spark.eventLog.enabled: true, spark.eventLog.dir: '{log.as_uri()}',\n"
        "  spark.eventLog.compress: false, spark.eventLog.rolling.enabled: false}}"
    )
    verdict, lines = by_tfos(folder, "nothing.py", ["{export_dir}"], "independent", more)
    ready, version = next(
        (at, found[1]) for at, line in lines if (found := re.search(r"Spark (\S+) runs ", line))
    )
    seconds = verdict["seconds"]
    formed = ready + seconds["form"]
    spark = spark_events(log)
    programs = [json.loads(path.read_text()) for path in (folder / "out").glob("worker-*.json")]
    times = {
        "placed": max(spark["SparkListenerTaskStart"]),
        "formed": formed,
        "program": max(one["begin"] for one in programs),
        "returned": max(one["end"] for one in programs),
        "verdict": formed + seconds["run"] + seconds.get("export", 0),
        "stopped": max(spark["SparkListenerApplicationEnd"]),
    }
    at = {event: round(time - ready, 3) for event, time in times.items()}
    return {"at": at, "spark": version, "seconds": seconds}


def spark_events(folder):
    """Kind of event -> its times, from Spark's event log in folder: one JSON object a line."""
    (path,) = folder.iterdir()
    times = {}
    for line in path.read_text().splitlines():
        event = json.loads(line)
        at = event.get("Timestamp") or (event.get("Task Info") or {}).get("Launch Time")
        if at:
            times.setdefault(event["Event"], []).append(at / 1000)
    return times
