"""The driver's half of the feeder without Python on executors.

The JVM makes Arrow batches of the rows, writes them as lines of base64 and pipes each
partition into a `tfos-node feed` (internal/feed/task). Used on the driver only; needs
neither pyarrow nor pandas.
"""

import base64
import json

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


def run_epoch(spark, frame, feed, epoch, members, credentials, folder):
    """Send every partition of DataFrame frame once, as one Spark job.

    feed: an entry of the plan's feeds, and repeatable as for feeder.make_feeder; members:
    those of the formed event that take this feed; credentials: {"ca": PEM, "token": str};
    folder: where tfos-node is on executors. Returns a Row of feeder.RESULT_SCHEMA per
    partition, in their order. Raises what Spark throws when a task failed for good, and
    RuntimeError when a partition may not be sent again.
    """
    order = {
        "feed": {name: feed[name] for name in FIELDS},
        "epoch": epoch,
        "members": members,
        "schema": base64.b64encode(arrow_schema(spark, frame)).decode(),
        **credentials,
    }
    jvm = spark.sparkContext._jvm
    command = java_list(jvm, [f"{folder}/tfos-node", "feed"])
    lines = _lines(spark, frame, base64.b64encode(json.dumps(order).encode()).decode())
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
