"""The start of the Spark application: its plan, its SparkConf, its SparkContext."""

import json
import os
import signal
import sys
import threading

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from tfos import exits, inputs, masters, storage
from tfos.causes import innermost_cause
from tfos.driver import Run
from tfos.executors import open_log
from tfos.members import CORES_CONF, slots
from tfos.recorder import Recorder, Refused

PLAN_VERSION = 2  # job.PlanVersion
JAVA_CONF = "spark.executor.defaultJavaOptions"
# A JVM through which no rows pass runs what it runs for seconds: to optimize that takes a third
# of the time of a short job. Where Spark reads, rows would take twice as long without.
LIGHT_JAVA = "-XX:TieredStopAtLevel=1"


def emit_line(event):
    print("@tfos " + json.dumps(event), flush=True)


def unknown_version(plan):
    """The verdict on a plan that this driver cannot read; None: it can."""
    if plan.get("version") == PLAN_VERSION:
        return None
    cause = (
        f"the plan has version {plan.get('version')}, and this driver reads version "
        f"{PLAN_VERSION}: "
        "remove other copies of the Python package tfos from PYTHONPATH and spark.submit.pyFiles"
    )
    return {"event": "verdict", "code": exits.USAGE, "phase": "submit", "cause": cause}


def no_context(err, conf):
    """The verdict when there is no SparkContext: no reservation server has one."""
    host = conf.get("spark.driver.host", "this machine's own name")
    cause = f"the SparkContext could not start: {innermost_cause(err, host)}"
    return {"event": "verdict", "code": exits.NO_SPARK, "phase": "submit", "cause": cause}


def end_with_parent():
    """End this process when the JVM that started it is gone: its end of our input closes."""

    def watch():
        while os.read(0, 4096):
            pass
        os._exit(143)

    threading.Thread(target=watch, name="tfos-parent", daemon=True).start()


def make_executable(path):
    """Spark brings a file into a driver's pod on Kubernetes without its mode."""
    if os.path.exists(path) and not os.access(path, os.X_OK):
        os.chmod(path, 0o755)


def prepare(plan, conf):
    """Complete the SparkConf of a plan whose executors have JVMs of their own.

    Returns inputs.Source of its feeds by name.
    """
    count = slots(plan, conf)
    given = storage.of_conf(SparkContext._jvm, conf) if plan.get("stores") else None
    sources = {
        feed["name"]: inputs.Source(feed, plan["node_binary"], count, given)
        for feed in plan.get("feeds") or []
    }
    if not (plan.get("predict") or any(source.by_spark for source in sources.values())):
        conf.set(JAVA_CONF, f"{LIGHT_JAVA} {conf.get(JAVA_CONF, '')}".strip())
    return sources


class Launcher:
    """Who hears of the run: the launcher, which is this process's ancestor."""

    def emit(self, event):
        emit_line(event)

    def on_stop(self, stop):
        """The launcher sends SIGTERM: main has a handler."""


def listener(plan, conf):
    """Who hears of a run. With a driver in the cluster that is its record, which launchers
    read."""
    if plan["deploy_mode"] != "cluster":
        return Launcher()
    settings = storage.of_conf(SparkContext._jvm, conf)
    try:
        return Recorder(plan["node_binary"], plan["record"], settings)
    except Refused as err:
        sys.exit(f"tfos: {err}")


def main():
    with open(sys.argv[1]) as file:
        plan = json.load(file)
    end_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # until there is a run to stop
    emit_line({"event": "driver", "pid": os.getpid()})
    if refused := unknown_version(plan):
        emit_line(refused)
        sys.exit(1)
    make_executable(plan["node_binary"])
    SparkContext._ensure_initialized()  # else SparkConf knows nothing of spark-submit's settings
    conf = SparkConf()
    to = listener(plan, conf)
    log = None if plan["local"] else open_log(SparkContext._jvm)
    sources = prepare(plan, conf) if conf.contains(CORES_CONF) else {}
    try:
        spark = SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as err:  # whatever Spark throws
        to.emit(no_context(err, conf))
        raise
    sc = spark.sparkContext
    to.emit(
        {
            "event": "context",
            "application": sc.applicationId,
            "master": sc.master,
            "spark_version": sc.version,
            "tracking_url": sc.uiWebUrl or "",
            "manager_url": masters.web_page(sc),
        }
    )
    job = Run(sc, plan, to.emit, sources, log)
    signal.signal(signal.SIGTERM, lambda *_: job.stop("interrupted"))
    to.on_stop(lambda _: job.stop("interrupted"))
    verdict = job.loop()
    spark.stop()
    sys.exit(0 if verdict["code"] == 0 else 1)
