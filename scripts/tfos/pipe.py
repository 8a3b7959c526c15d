"""The driver's half of the feed tasks in Go, which need no Python on executors.

Spark pipes lines of base64 into a `tfos-node feed` a partition (internal/feed/task): Arrow
batches that the JVM has made of rows (run_rows), or which files' splits the task is to read
itself (plan_files, run_files). Used on the driver only; needs neither pyarrow nor pandas.
"""

import base64
import json
import subprocess

from py4j.protocol import Py4JError
from pyspark.sql import Row

FIELDS = ("name", "chunk_rows", "balance", "repeatable")  # of a feed: what its tasks need
BUFFER_BYTES = 1 << 16  # of PipedRDD's writer: its default of 8 KiB is slower, more is not faster
# Rows of a batch, at most. A batch is in the JVM about six times over on its way, and 200
# rows of 150 KB are 30 MB; more rows of 3 KB are no faster.
BATCH_ROWS = 200
ARROW_ROWS_CONF = "spark.sql.execution.arrow.maxRecordsPerBatch"
# Base64 without line breaks, where Spark lets one choose; the feed task reads both.
PLAIN_BASE64_CONF = "spark.sql.chunkBase64String.enabled"
LARGE_TYPES_CONF = "spark.sql.execution.arrow.useLargeVarTypes"

# The order stands before the first batch of a partition only.
_ORDER = "if(nth & 8589934591 = 0, concat(`order`, ' ', spark_partition_id(), ' '), '')"


class Unreadable(Exception):
    """Files that feed tasks cannot read themselves: why, in a line."""


def plan_files(node_binary, feed, slots):
    """What run_files needs to have feed tasks read the files of a feed's path.

    feed: an entry of the plan's feeds; slots: how many feed tasks run at once. Unreadable:
    nothing there, a type or layout that only Spark reads, a missing column.
    """
    wanted = {name: feed[name] for name in ("format", "path", "options", "columns")}
    found = subprocess.run(
        [node_binary, "splits"],
        input=json.dumps({**wanted, "slots": slots}),
        capture_output=True,
        text=True,
    )
    if found.returncode != 0:
        raise Unreadable(found.stderr.strip() or f"tfos-node splits: exit {found.returncode}")
    return json.loads(found.stdout)


def run_files(sc, files, feed, epoch, members, credentials, folder):
    """Have feed tasks read and send every partition of plan_files' `files`, as one Spark job.

    The rest is as in run_rows.
    """
    order = _base64({**_order(feed, epoch, members, credentials), "files": files["files"]})
    lines = [
        f"{order} {number} {_base64(splits)}" for number, splits in enumerate(files["partitions"])
    ]
    return _pipe(sc._jvm, sc._jsc.parallelize(java_list(sc._jvm, lines), len(lines)), folder)


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
    return _pipe(spark.sparkContext._jvm, _lines(spark, frame, _base64(order)), folder)


def _order(feed, epoch, members, credentials):
    fields = {name: feed[name] for name in FIELDS}
    return {"feed": fields, "epoch": epoch, "members": members, **credentials}


def _base64(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def _pipe(jvm, lines, folder):
    """Pipe each partition of a JavaRDD<String> into a feed task; their results."""
    command = java_list(jvm, [f"{folder}/tfos-node", "feed"])
    # One byte a character: base64 is ASCII, and so is the result.
    piped = lines.pipe(command, jvm.java.util.HashMap(), False, BUFFER_BYTES, "ISO-8859-1")
    results = [json.loads(line) for line in piped.collect()]
    for result in results:
        if refused := result.pop("refused", None):
            raise RuntimeError(refused)
    return [Row(partition=number, **result) for number, result in enumerate(results)]


def _lines(spark, frame, order):
    """JavaRDD<String>: per partition of frame, in order, what the feed task reads.

    The order has the run's token. It comes as a broadcast row, so that it stands in no
    query plan, event log, command line or environment.
    """
    jvm = spark.sparkContext._jvm
    encoders, functions = jvm.org.apache.spark.sql.Encoders, jvm.org.apache.spark.sql.functions
    session = spark._jsparkSession.cloneSession()  # its settings are not the user's
    session.conf().set(PLAIN_BASE64_CONF, "false")
    orders = session.createDataset(java_list(jvm, [order]), encoders.STRING()).toDF(
        _array(spark, ["order"])
    )
    batches = session.createDataset(_batches(spark, frame), encoders.BINARY())
    numbered = batches.selectExpr(_array(spark, ["monotonically_increasing_id() nth", "value"]))
    joined = numbered.crossJoin(functions.broadcast(orders))
    lines = joined.selectExpr(_array(spark, [f"concat({_ORDER}, base64(value))"]))
    return getattr(lines, "as")(encoders.STRING()).toJavaRDD()


def _batches(spark, frame):
    """RDD<byte[]>: Arrow record batch messages, in frame's partitions and order."""
    before = spark.conf.get(ARROW_ROWS_CONF)
    rows = int(before)
    try:
        spark.conf.set(ARROW_ROWS_CONF, min(rows, BATCH_ROWS) if rows > 0 else BATCH_ROWS)
        return frame._jdf.toArrowBatchRdd()  # the setting is read here
    finally:
        spark.conf.set(ARROW_ROWS_CONF, before)


def arrow_schema(spark, frame):
    """The encapsulated Arrow schema message of the batches that Spark makes of frame."""
    jvm = spark.sparkContext._jvm
    conf = frame._jdf.sparkSession().sessionState().conf()
    utils = jvm.org.apache.spark.sql.util.ArrowUtils
    # As Dataset.toArrowBatchRdd does; Spark 3.5 knows no large types.
    strict = conf.pandasStructHandlingMode() == "legacy"
    large = spark.conf.get(LARGE_TYPES_CONF, "false") == "true"
    settings = [frame._jdf.schema(), conf.sessionLocalTimeZone(), strict, large]
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


def java_list(jvm, items):
    result = jvm.java.util.ArrayList()
    for item in items:
        result.add(item)
    return result


def _array(spark, items):
    gateway = spark.sparkContext._gateway
    result = gateway.new_array(gateway.jvm.java.lang.String, len(items))
    for i, item in enumerate(items):
        result[i] = item
    return result
