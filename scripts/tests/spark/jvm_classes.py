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

# Loads what most jobs of the tests need: local-cluster has a master and workers in the driver's
# JVM, which alone is archived, and the tasks of local[2] need what those of executors need.
WARM_UP = """\
import sys
from pyspark.sql import SparkSession

folder = sys.argv[1]
spark = SparkSession.builder.master("local-cluster[1,1,1024]").getOrCreate()
assert spark.sparkContext.parallelize([1], 1).count() == 1
spark.stop()

spark = SparkSession.builder.master("local[2]").getOrCreate()
rows = spark.range(64, numPartitions=2).selectExpr(
    "id", "cast(id % 2 as string) day", "array(cast(id as float)) x"
)
for kind in ("orc", "json", "parquet"):
    rows.write.mode("overwrite").partitionBy("day").format(kind).save(f"{folder}/{kind}")
rows = spark.sql(f"SELECT * FROM parquet.`{folder}/parquet` WHERE id >= 0 ORDER BY id")
assert rows.mapInArrow(lambda batches: batches, rows.schema).count() == 64
assert rows.rdd.map(str).pipe("cat").count() == 64
spark.sparkContext.parallelize([0], 1).barrier().mapPartitions(list).collect()
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
