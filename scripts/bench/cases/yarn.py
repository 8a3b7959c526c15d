"""What a whole job costs on YARN, beside a bare application on the same cluster."""

import time

import servers
from case import LIMIT, TFOS, Case, Ratio, Sample, Side
from jobs import PROGRAMS, by_tfos
from processes import peer

from cases.overhead import MEMBERS, ROWS, few


def tfos(folder, settings):
    out = [str(folder / "out"), str(folder / "export")]
    job = {
        "app": {"python": {"file": PROGRAMS / "nothing.py", "args": out}},
        "strategy": "independent",
        "cluster_size": MEMBERS,
        "input": {"path": f"file:{few()}"},
        "batch_size": 10,
        "resources": {"worker": {"memory": "512m"}},
        "spark": {"master": "yarn"},
    }
    begin = time.perf_counter()
    verdict = by_tfos(folder, job, env=servers.yarn())
    seconds = time.perf_counter() - begin
    notes = {"versions": {"pyspark": verdict["spark"]}, "at": verdict["seconds"]}
    return Sample(seconds, [], notes)


def spark(folder, settings):
    env = servers.yarn()
    begin = time.perf_counter()
    found = peer("pyspark", "overhead_spark.py", folder, env=env, master="yarn", rows=ROWS)
    return Sample(time.perf_counter() - begin, [], {"versions": found["versions"]})


CASES = (
    Case(
        name="yarn.overhead",
        title="A whole job of 100 rows on 2 executors of YARN",
        row="784 float32 (tfos), 1 number (Spark)",
        counted="seconds; programs take their rows and do nothing, without importing TensorFlow",
        clock="From the command to its end, in client mode. cold is the only figure.",
        unit="s",
        sides=(
            Side("tfos", TFOS, "tfos train: form, feed 100 rows, stop", tfos),
            Side("spark", LIMIT, "an application with one count", spark),
        ),
        ratios=(Ratio(("tfos", "cold"), ("spark", "cold")),),
    ),
)
