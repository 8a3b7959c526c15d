"""What every peer does: read its configuration, run, write its result. Runs in its own Python."""

import argparse
import json
import os
import pathlib
import sys
import time
from importlib import metadata


def main(measure):
    """Call measure(config) and write what it returns, with the versions of the packages used."""
    config = argparse.Namespace(**json.loads(pathlib.Path(sys.argv[1]).read_text()))
    result = measure(config)
    result["versions"] = versions()
    pathlib.Path(config.result).write_text(json.dumps(result))


def versions():
    names = ("pyspark", "tensorflow_cpu", "tensorflowonspark", "keras", "pyarrow", "petastorm")
    found = {"python": sys.version.split()[0]}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def rates(work, rows, passes):
    """Rows per second of each of so many calls of work()."""
    return measured(work, rows, passes)["rates"]


def measured(work, rows, passes):
    """{rates, cpu_us} of so many calls of work(): rows per second, and CPU of a row, each."""
    found = {"rates": [], "cpu_us": []}
    for _ in range(passes):
        begin, used = time.perf_counter(), cpu()
        work()
        found["rates"].append(rows / (time.perf_counter() - begin))
        found["cpu_us"].append((cpu() - used) / rows * 1e6)
    return found


def cpu():
    """Seconds of CPU, user and system, of all processes of this session and their children."""
    ticks = 0
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended, and is its parent's
            if int(stat[3]) == os.getsid(0):
                ticks += sum(map(int, stat[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def spark(master, **conf):
    """A SparkSession with an event log in ./events; local-cluster's work folder is here too."""
    from pyspark.find_spark_home import _find_spark_home
    from pyspark.sql import SparkSession

    real, home = pathlib.Path(_find_spark_home()), pathlib.Path("spark-home").absolute()
    (home / "work").mkdir(parents=True)
    for entry in real.iterdir():
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    os.environ["SPARK_HOME"] = str(home)
    log = pathlib.Path("events").absolute()
    log.mkdir()
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(pathlib.Path("local").absolute()),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": log.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        **{name.replace("_", "."): value for name, value in conf.items()},
    }
    builder = SparkSession.builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
