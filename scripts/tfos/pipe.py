"""The driver's half of the feed tasks in Go, which need no Python on executors.

A partition of files is a `tfos-node feed` that Spark pipes a line into: which splits the task is
to read itself (plan_files, run_files). Rows that Spark reads go, in Arrow batches that the JVM
has made of them, to a `tfos-node` that Spark takes for its Python worker (run_rows). The tasks
are internal/feed/task. Used on the driver only; needs neither pyarrow nor pandas.
"""

import base64
import json
import struct
import subprocess

from py4j.protocol import Py4JError
from pyspark.sql import Row

from tfos.versions import parts

FIELDS = ("name", "chunk_rows", "balance", "repeatable")  # of a feed: what its tasks need
# Before the order: internal/feed/task/worker.go finds it so. No UTF-8 has it.
ORDER_MARK = b"\xfftfos-order\xff"
LARGE_TYPES_CONF = "spark.sql.execution.arrow.useLargeVarTypes"


class Unreadable(Exception):
    """Files that feed tasks cannot read themselves: why, in a line."""


def plan_files(node_binary, feed, slots, storage=None):
    """What run_files needs to have feed tasks read the files of a feed's path.

    feed: an entry of the plan's feeds; slots: how many feed tasks run at once; storage: of
    storage.py, or None. Unreadable: nothing there, a type or layout that only Spark reads, a
    missing column.
    """
    wanted = {name: feed[name] for name in ("format", "path", "options", "columns")}
    wanted["folders"] = feed.get("folders") or {}
    found = subprocess.run(
        [node_binary, "splits"],
        input=json.dumps({**wanted, "slots": slots, "storage": storage}),
        capture_output=True,
        text=True,
    )
    if found.returncode != 0:
        raise Unreadable(found.stderr.strip() or f"tfos-node splits: exit {found.returncode}")
    return json.loads(found.stdout)


def run_files(sc, files, feed, epoch, members, credentials, folder, storage, warn):
    """Have feed tasks read and send every partition of plan_files' `files`, as one Spark job.

    storage: as for plan_files; tasks get it with their order. warn(message): called with each
    line that tasks have for the user, once. The rest is as in run_rows.
    """
    order = {**_order(feed, epoch, members, credentials), "files": files["files"]}
    order = _base64({**order, "storage": storage})
    lines = [
        f"{order} {number} {_base64(splits)}" for number, splits in enumerate(files["partitions"])
    ]
    jvm = sc._jvm
    command = java_list(jvm, [f"{folder}/tfos-node", "feed"])
    piped = sc._jsc.parallelize(java_list(jvm, lines), len(lines)).pipe(command)
    results = [json.loads(line) for line in piped.collect()]
    for message in sorted({line for result in results for line in result.pop("warnings", ())}):
        warn(message)
    return _rows(results)


def run_rows(spark, frame, feed, epoch, members, credentials, folder):
    """Send every partition of DataFrame frame once, as one Spark job.

    feed: an entry of the plan's feeds, and repeatable as for feeder.make_feeder; members:
    those of the formed event that take this feed; credentials: {"ca": PEM, "token": str};
    folder: where tfos-node is on executors. Returns a Row of feeder.RESULT_SCHEMA per
    partition, in their order. Raises what Spark throws when a task failed for good, and
    RuntimeError when a partition may not be sent again.
    """
    schema = base64.b64encode(arrow_schema(spark, frame)).decode()
    order = {**_order(feed, epoch, members, credentials), "schema": schema}
    jvm = spark.sparkContext._jvm
    function = jvm.SimplePythonFunction(
        bytearray(marked(order)),
        jvm.java.util.HashMap(),
        jvm.java.util.ArrayList(),
        f"{folder}/tfos-node",
        "",  # no version of Python
        jvm.java.util.ArrayList(),
        None,  # no accumulator
    )
    tasks = jvm.PythonRDD(frame._jdf.toArrowBatchRdd(), function, False, False)
    return _rows([json.loads(line) for line in tasks.asJavaRDD().collect()])


def marked(order):
    """An order as a task finds it among what Spark says to its Python workers: bytes."""
    text = json.dumps(order).encode()
    return ORDER_MARK + struct.pack(">I", len(text)) + text


def _order(feed, epoch, members, credentials):
    fields = {name: feed[name] for name in FIELDS}
    return {"feed": fields, "epoch": epoch, "members": members, **credentials}


def _base64(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def _rows(results):
    """Rows of feeder.RESULT_SCHEMA, of the tasks' results in the partitions' order."""
    for number, result in enumerate(results):
        if refused := result.pop("refused", None):
            raise RuntimeError(refused)
        if result["partition"] != number:
            raise RuntimeError(
                f"feeder: pipe: partition {number} took itself for {result['partition']}: "
                "this version of Spark is not known: use feeder: arrow"
            )
    return [Row(**result) for result in results]


def arrow_schema(spark, frame):
    """The encapsulated Arrow schema message of the batches that Spark makes of frame."""
    jvm = spark.sparkContext._jvm
    utils = jvm.org.apache.spark.sql.util.ArrowUtils
    settings = [frame._jdf.schema(), *arrow_settings(spark, frame)]
    try:
        schema = utils.toArrowSchema(*settings)
    except Py4JError:  # Spark 4.3 has one setting more
        schema = utils.toArrowSchema(*settings, getattr(utils, "toArrowSchema$default$5")())
    out = jvm.java.io.ByteArrayOutputStream()
    channel = jvm.org.apache.arrow.vector.ipc.WriteChannel(
        jvm.java.nio.channels.Channels.newChannel(out)
    )
    jvm.org.apache.arrow.vector.ipc.message.MessageSerializer.serialize(channel, schema)
    return bytes(out.toByteArray())


def arrow_settings(spark, frame):
    """What Dataset.toArrowBatchRdd gives ArrowUtils.toArrowSchema beside the columns' types."""
    conf = frame._jdf.sparkSession().sessionState().conf()
    zone = conf.sessionLocalTimeZone()
    if parts(spark.version) < (3, 5):
        return [zone]
    strict = conf.pandasStructHandlingMode() == "legacy"
    large = spark.conf.get(LARGE_TYPES_CONF, "false") == "true"  # 3.5 knows no large types
    return [zone, strict, large]


def java_list(jvm, items):
    result = jvm.java.util.ArrayList()
    for item in items:
        result.add(item)
    return result
