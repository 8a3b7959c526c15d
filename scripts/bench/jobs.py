"""Runs bin/tfos as a user would, and reads what the run left behind."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from case import DidNotRun
from environments import ROOT
from processes import SECONDS, error_line, shown

PROGRAMS = pathlib.Path(__file__).parent / "programs"

_READY = re.compile(r"Spark (\S+) runs ")


def by_tfos(folder, job, command="train", env=None, within=()):
    """Run a job, its keys as in docs/job-file.md, below folder with the Python of this process.

    Returns its verdict with two more keys: ready, the time.time() at which Spark's first executors
    were there, and spark, its version; seconds["form"] begins there too, as the clocks of the
    peers do, whose SparkContext waits for executors. Spark's event log is in folder/events.
    env: more environment; within: a command that runs tfos. DidNotRun: it failed.
    """
    log = folder / "events"
    log.mkdir()
    spark = dict(job.get("spark") or {})
    spark["conf"] = {
        "spark.eventLog.enabled": True,
        "spark.eventLog.dir": log.as_uri(),
        "spark.eventLog.compress": False,
        "spark.eventLog.rolling.enabled": False,
        **spark.get("conf", {}),
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps({**job, "spark": spark}, indent=1, default=str))  # JSON is YAML
    argv = [*within, ROOT / "bin" / "tfos", command, path, "--output", "json"]
    verdict, lines = _run(argv, folder, env)
    if verdict["code"] != 0:
        raise DidNotRun(f"tfos: exit {verdict['code']}: {verdict['cause']} (see {shown(folder)})")
    context, found = next((at, found) for at, line in lines if (found := _READY.search(line)))
    ready = max(context, _registered(events(folder)))
    verdict["seconds"]["form"] -= ready - context
    return {**verdict, "ready": ready, "spark": found[1]}


def _registered(log):
    """When the executors of local-cluster, or local's only one, had registered with Spark."""
    placed = next(e for e in log if e["Event"] == "SparkListenerTaskStart")
    began = placed["Task Info"]["Launch Time"]
    added = (e["Timestamp"] for e in log if e["Event"] == "SparkListenerExecutorAdded")
    return max((at for at in added if at <= began), default=began) / 1000


def here(folder, job, command="infer", env=None):
    """Run a job below folder with --local: its verdict, and the seconds of the whole command.

    env: more environment. DidNotRun: it failed.
    """
    path = folder / "job.yaml"
    path.write_text(json.dumps(job, indent=1, default=str))
    argv = [ROOT / "bin" / "tfos", command, path, "--local", "--output", "json"]
    begin = time.perf_counter()
    verdict, _ = _run(argv, folder, env)
    seconds = time.perf_counter() - begin
    if verdict["code"] != 0:
        raise DidNotRun(f"tfos: exit {verdict['code']}: {verdict['cause']} (see {shown(folder)})")
    return verdict, seconds


def consume(folder, consumer, env=None, **keys):
    """by_tfos of a training job whose program takes its rows and drops them.

    consumer: one of programs/consume.py, which writes its marks to folder/out; keys: of the job.
    """
    python = {
        "file": PROGRAMS / "consume.py",
        "function": "main_fun",
        "args": {"consumer": consumer},
    }
    job = {"app": {"python": python}, "strategy": "independent", "model_dir": "out"}
    return by_tfos(folder, {**job, **keys}, env=env)


def _run(argv, folder, env=None):
    """The verdict of a tfos command, and [(time.time(), line)] of its standard error."""
    state = {"TFOS_STATE_DIR": str(folder / "state"), "TFOS_PYTHON": sys.executable}
    # Into a file: a verdict with many splits is more than a pipe holds while its standard error
    # is read.
    out = folder / "verdict.json"
    with open(out, "w") as stdout:
        child = subprocess.Popen(
            argv,
            env={**os.environ, "PYSPARK_PYTHON": sys.executable, **state, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    stop = threading.Timer(SECONDS, child.send_signal, [signal.SIGTERM])  # tfos ends its job
    stop.start()
    try:
        lines = [(time.time(), line.rstrip()) for line in child.stderr]
        child.wait()
    finally:
        stop.cancel()
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait()
    text = out.read_text()
    said = "\n".join(line for _, line in lines)
    (folder / "log.txt").write_text(said + "\n" + text)
    try:
        return json.loads(text), lines
    except ValueError:
        raise DidNotRun(
            f"tfos: exit {child.returncode}: {error_line(said)} (see {shown(folder)})"
        ) from None


def events(folder):
    """Spark's event log below folder: one dict an event, in their order."""
    (path,) = (folder / "events").iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


def task_ends(log, group):
    """When the tasks of the Spark jobs of a group ended, in seconds since the epoch, in order."""
    stages = {stage for event in _starts(log, group) for stage in event["Stage IDs"]}
    return sorted(
        event["Task Info"]["Finish Time"] / 1000
        for event in log
        if event["Event"] == "SparkListenerTaskEnd" and event["Stage ID"] in stages
    )


def spark_jobs(log, group):
    """[(begin, end)] of the Spark jobs of a group, in seconds since the epoch."""
    begins = {event["Job ID"]: event["Submission Time"] / 1000 for event in _starts(log, group)}
    ends = {
        event["Job ID"]: event["Completion Time"] / 1000
        for event in log
        if event["Event"] == "SparkListenerJobEnd"
    }
    return [(begin, ends[number]) for number, begin in sorted(begins.items()) if number in ends]


def _starts(log, group):
    """The events with which the Spark jobs of a group began."""
    starts = (event for event in log if event["Event"] == "SparkListenerJobStart")
    return [e for e in starts if (e.get("Properties") or {}).get("spark.jobGroup.id") == group]
