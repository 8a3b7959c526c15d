"""How the JVMs of tests start with a third of the CPU: every test starts two to eight of them.

Half of a JVM's start is loading classes, so they map an archive of Spark's. A JVM that cannot use
it (another Java, other jars) loads its classes as usual. Half of the rest is compiling methods for
a speed that pays after minutes, so they have the quick compiler alone, and the serial collector.
"""

import fcntl
import functools
import hashlib
import os
import pathlib
import subprocess

import pyspark
from harness import PYTHON, ROOT

ARCHIVES = ROOT / ".build" / "jvm-classes"

SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

# Loads what most jobs of the tests need: parquet, text, Arrow to and from Python, RDD.pipe.
WARM_UP = """\
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local-cluster[1,1,1024]").getOrCreate()
spark.range(64, numPartitions=2).write.mode("overwrite").parquet(sys.argv[1])
rows = spark.read.parquet(sys.argv[1])
assert rows.mapInArrow(lambda batches: batches, "id long").count() == 64
assert rows.rdd.map(str).pipe("cat").count() == 64
spark.stop()
"""


@functools.cache
def options():
    """The JVM options. The archive of this Spark and this Java is made first if needed."""
    archive = ARCHIVES / f"{_identity()}.jsa"
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with open(ARCHIVES / "lock", "w") as lock:  # other processes of this session
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make(archive)
    # JVMs log to standard output what they miss in an archive. At another address than the
    # archive's own, each would write all of its pages.
    own_address = "-XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0"
    classes = f"-XX:SharedArchiveFile={archive} {own_address} -Xlog:disable"
    return f"{classes} {SHORT_LIVED}"


def _spark_home():
    return pathlib.Path(os.environ.get("SPARK_HOME") or pathlib.Path(pyspark.__file__).parent)


def _identity():
    java = subprocess.run(["java", "-version"], capture_output=True, check=True).stderr
    jars = sorted((jar.name, jar.stat().st_size) for jar in (_spark_home() / "jars").iterdir())
    made_of = repr((java, _spark_home(), jars, SHORT_LIVED, WARM_UP))
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _make(archive):
    made = archive.with_suffix(".new")
    script = ARCHIVES / "warm_up.py"
    script.write_text(WARM_UP)
    environment = {
        "SPARK_HOME": str(_spark_home()),
        "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={made} -Xlog:disable {SHORT_LIVED}",
        "PYSPARK_PYTHON": str(PYTHON),
        "PYSPARK_DRIVER_PYTHON": str(PYTHON),
    }
    subprocess.run(
        [_spark_home() / "bin" / "spark-submit", script, ARCHIVES / "rows"],
        cwd=ARCHIVES,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=300,
    )
    made.rename(archive)
