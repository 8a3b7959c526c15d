"""A feed's input on the driver: found once, then sent to the members, a Spark job an epoch.

Who reads it is the job's read_by: tasks that read files themselves (Files), or Spark, which
hands rows to tasks (Rows).
"""

import contextlib

from pyspark.errors import AnalysisException, IllegalArgumentException, ParseException
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType, UserDefinedType

from tfos import exits, partitions, paths, pipe
from tfos.causes import first_cause, first_line, lacks_pyarrow
from tfos.exits import InputError

ARROW_ROWS_CONF = "spark.sql.execution.arrow.maxRecordsPerBatch"
# Rows of Spark's Arrow batches: at most about ARROW_BYTES of plain columns, and ARROW_ROWS of
# lists and binary, whose size no schema tells (3 MB of 784 floats, 150 MB of 150 KB cells).
ARROW_ROWS, ARROW_MOST_ROWS, ARROW_BYTES = 1000, 10_000, 4 << 20
# A batch for a feeder of pipe is in the JVM several times over: 200 rows of 150 KB are 30 MB.
PIPED_ROWS = 200
UNSIZED = (ArrayType, BinaryType, MapType, StructType, UserDefinedType)
# What decides into how many splits Spark cuts files; the first goes before the others.
PARALLELISM_CONFS = (
    "spark.sql.files.minPartitionNum",
    "spark.sql.leafNodeDefaultParallelism",
    "spark.default.parallelism",
)


class Source:
    """A feed's input as far as it is known without Spark: who reads it."""

    def __init__(self, feed, node_binary, slots, storage=None):
        """feed: an entry of the plan's feeds; slots: how many feed tasks run at once;
        storage: of storage.py, or None.
        """
        self._feed, self._node_binary, self._slots = feed, node_binary, slots
        self._storage = storage
        self._files = self._why = self._error = None
        if feed["read_by"] == "spark":
            return
        try:
            self._files = pipe.plan_files(node_binary, feed, slots, storage)
        except pipe.Unreadable as err:
            self._why = str(err)
        except Exception as err:  # the run's failure, not that of Spark's start
            self._error = err

    @property
    def by_spark(self):
        return self._files is None

    def find(self, sc, warn):
        """The input, a Files or a Rows: a missing path or column is found here.

        The feed gets "repeatable": whether a partition's rows come in the same order each
        time. warn(message): tells the user. InputError: it cannot be read.
        """
        if self._error is not None:
            raise self._error
        if self._files is not None:
            return Files(sc, self._feed, self._files, self._storage, warn)
        if self._feed["read_by"] == "executor":
            raise InputError(exits.BAD_DATA, f"input: {self._why}")
        try:
            found = Rows(self._feed, self._node_binary, self._slots, warn)
        except InputError as err:
            if self._why is None:
                raise
            raise InputError(err.code, f"{err}; nor can executors: {self._why}") from err
        if self._why is not None:
            warn(f"read_by: spark, because executor cannot: {self._why}")
        return found


class Files:
    """Files that feed tasks read themselves."""

    def __init__(self, sc, feed, files, storage, warn):
        """files: of pipe.plan_files; storage: of storage.py, or None; warn: as in find."""
        self._sc, self._feed, self._files, self._storage = sc, feed, files, storage
        self._tell, self._told = warn, set()
        feed["repeatable"] = True

    def send(self, epoch, members, credentials, folder):
        """Send every partition of one epoch to members; see pipe.run_rows."""
        return pipe.run_files(
            self._sc,
            self._files,
            self._feed,
            epoch,
            members,
            credentials,
            folder,
            self._storage,
            self._warn,
        )

    def _warn(self, message):
        """Tell the user what no earlier epoch has said."""
        if message not in self._told:
            self._told.add(message)
            self._tell(message)


class Rows:
    """Rows of a DataFrame, which Spark reads."""

    def __init__(self, feed, node_binary, slots, warn):
        self._feed, self._slots, self._warn = feed, slots, warn
        self._spark = SparkSession.builder.getOrCreate()
        with reading():
            self._frame = select(load(self._spark, feed, node_binary), feed.get("columns"))
            feed["repeatable"] = partitions.repeatable(self._frame._jdf.queryExecution())

    def send(self, epoch, members, credentials, folder):
        """Send every partition of one epoch to members; see pipe.run_rows."""
        if self._feed["feeder"] != "pipe":
            tune(self._spark, arrow_rows(self._frame), self._slots)
            try:
                from tfos.feeder import RESULT_SCHEMA, make_feeder

                feeder = make_feeder(self._feed, epoch, members, credentials)
                return self._frame.mapInArrow(feeder, RESULT_SCHEMA).collect()
            except Exception as err:
                why = lacks_pyarrow(err)
                if self._feed["feeder"] == "arrow" or not why:
                    raise
            self._warn(f"feeder: pipe, because arrow cannot run here: {why}")
            self._feed["feeder"] = "pipe"
        tune(self._spark, piped_rows(self._frame, self._feed["chunk_rows"]), self._slots)
        return pipe.run_rows(
            self._spark, self._frame, self._feed, epoch, members, credentials, folder
        )


def tune(spark, rows, slots):
    """Fit Spark's Arrow batches (rows) and file splits to a feed, where spark.conf does not.

    The session is that of all feeds.
    """
    conf, given = spark.conf, spark.sparkContext.getConf().contains
    if not given(ARROW_ROWS_CONF):
        conf.set(ARROW_ROWS_CONF, rows)
    if not any(map(given, PARALLELISM_CONFS)):
        # Spark counts members' cores too, and a task costs 0.1 s even when no row group
        # begins in its split.
        conf.set(PARALLELISM_CONFS[0], slots)


@contextlib.contextmanager
def reading():
    """Makes InputErrors of what Spark says of an input that it cannot read."""
    try:
        yield
    except InputError:
        raise
    except paths.PathError as err:
        raise InputError(exits.USAGE, f"input.path: {err}") from err
    except (AnalysisException, IllegalArgumentException, ParseException) as err:
        raise InputError(exits.USAGE, f"input: {first_line(err)}") from err
    except Exception as err:  # whatever a data source throws
        if "DATA_SOURCE_NOT_FOUND" in str(err) or "ClassNotFoundException" in str(err):
            raise InputError(exits.USAGE, f"input.format: {first_cause(err)}") from err
        raise InputError(exits.BAD_DATA, f"input: cannot be read: {first_cause(err)}") from err


def load(spark, feed, node_binary):
    if feed.get("sql"):
        return spark.sql(feed["sql"])
    if feed.get("table"):
        return spark.table(feed["table"])
    reader = spark.read.format(feed["format"]).options(**feed.get("options") or {})
    return paths.load(spark, feed, reader, node_binary)


def select(frame, columns):
    """The named columns of frame, in their order; all of them when none is named."""
    if not columns:
        return frame
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(
            exits.BAD_DATA,
            f"input_mapping: no column {', '.join(missing)} in the input; "
            f"it has {', '.join(frame.columns)}",
        )
    return frame.select(*("`" + name.replace("`", "``") + "`" for name in columns))


def arrow_rows(frame):
    """How many rows shall be in one of Spark's Arrow batches."""
    if unsized(frame):
        return ARROW_ROWS
    fit = ARROW_BYTES // frame._jdf.schema().defaultSize()
    return max(ARROW_ROWS, min(ARROW_MOST_ROWS, fit))


def piped_rows(frame, chunk_rows):
    """arrow_rows for pipe.run_rows: chunks as they are, where rows are large enough for that."""
    return min(PIPED_ROWS, chunk_rows) if unsized(frame) else arrow_rows(frame)


def unsized(frame):
    return any(isinstance(field.dataType, UNSIZED) for field in frame.schema.fields)
