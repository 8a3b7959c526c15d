"""The partitions that Spark has of files, which give the same rows when they are read again.

A partition of files is a list of pieces of files. Where no row goes from one partition to
another on its way, and nothing is drawn by lot, the same pieces of unchanged files give the
same rows. A later run resumes an output of such partitions alone (FilePartitions). A feed
task that runs again sends the rest of such a partition alone (repeatable).
"""

import hashlib
import json
import re

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame

from tfos import exits
from tfos.exits import InputError

# Spark's operators whose partitions are those below them, and those that read files.
NARROW = (
    "WholeStageCodegenExec",
    "InputAdapter",
    "ColumnarToRowExec",
    "ProjectExec",
    "FilterExec",
    "GenerateExec",
)
SCANS = ("FileSourceScanExec", "BatchScanExec")
# Spark's own classes: which rows there are depends on more than files elsewhere (Delta, Iceberg).
FILE_INDEXES = "org.apache.spark.sql.execution."
FILE_SCANS = ("org.apache.spark.sql.execution.datasources.v2.", "org.apache.spark.sql.v2.")
REMEDY = "write its result to files first and predict these, or use if_exists: replace"
FIELDS_CONF = "spark.sql.debug.maxToStringFields"
# Settings that decide how Spark works, and not what rows are.
HOW = (
    "spark.sql.adaptive.",
    "spark.sql.debug.",
    "spark.sql.execution.",
    "spark.sql.extensions",
    "spark.sql.files.",
    "spark.sql.leafNodeDefaultParallelism",
    "spark.sql.shuffle.",
    "spark.sql.sources.commitProtocolClass",
    "spark.sql.ui.",
    "spark.sql.warehouse.dir",
)
ZONE_CONF = "spark.sql.session.timeZone"


class FilePartitions:
    """The rows of frame in partitions of files. InputError: they are not."""

    def __init__(self, spark, frame):
        self._spark = spark
        query = frame._jdf.queryExecution()
        self._check(query)
        self._schema = frame._jdf.schema()
        # Its partitions are settled here: a file that comes later is in none.
        self._rdd = query.toRdd()
        self._text = self._plan(query)
        seen = {}
        self.digests = [_digest(_files(one), seen) for one in self._rdd.partitions()]

    def describe(self):
        """What the parts of one output have in common, beside the partitions themselves."""
        given = self._spark.sparkContext.getConf().getAll()
        settings = {k: v for k, v in given if k.startswith("spark.sql.") and not k.startswith(HOW)}
        settings[ZONE_CONF] = self._spark.conf.get(ZONE_CONF)
        plan = hashlib.sha256(self._text.encode()).hexdigest()
        return {"plan": plan, "settings": settings, "partitions": self.digests}

    def frame(self):
        """The rows, in these partitions whatever has happened to the files' folder since."""
        session = self._spark._jsparkSession
        return DataFrame(
            session.internalCreateDataFrame(self._rdd, self._schema, False), self._spark
        )

    def _check(self, query):
        pattern = self._spark._jvm.org.apache.spark.sql.catalyst.trees.TreePattern
        plan = query.analyzed()
        if plan.containsPattern(pattern.CURRENT_LIKE()):
            raise _refused("the input's query asks for the present (current_date, now, …)")
        if plan.containsPattern(pattern.PLAN_EXPRESSION()):
            raise _refused("the input's query has a subquery")
        self._scan = _settled_scan(query)

    def _plan(self, query):
        """How rows come out of files, as text without the numbers that Spark gives columns."""
        before = self._spark.conf.get(FIELDS_CONF)
        self._spark.conf.set(FIELDS_CONF, 2**31 - 1)
        try:
            text = query.optimizedPlan().toString()
        finally:
            self._spark.conf.set(FIELDS_CONF, before)
        columns = self._scan.schema().json()
        return "\n".join([re.sub(r"#\d+", "#", text), columns, *_views(query.analyzed())])


def repeatable(query):
    """Whether each partition of a QueryExecution has the same rows in the same order again.

    That is within one run: the present and subqueries are evaluated once, before its tasks.
    """
    try:
        _settled_scan(query)
    except InputError:
        return False
    return True


def _refused(why):
    return InputError(
        exits.USAGE,
        f"output.if_exists: resume: {why}, so its partitions are not the same in every run: "
        + REMEDY,
    )


def _settled_scan(query):
    """The one operator of a query that reads files; nothing above it changes what it reads."""
    if not query.analyzed().deterministic():
        raise _refused("the input's query draws by lot (rand, uuid, the place of a row)")
    return _scan(query.executedPlan())


def _scan(top):
    """The one operator that reads files, below others that leave partitions as they are."""
    node = top
    while True:
        kind = node.getClass().getSimpleName()
        if kind == "AdaptiveSparkPlanExec":
            node = node.executedPlan()
        elif kind in SCANS:
            break
        elif kind in NARROW:
            node = node.children().apply(0)
        else:
            name = node.nodeName().strip()
            raise _refused(f"Spark's plan of the input has the operator {name}")
    if kind == "FileSourceScanExec":
        known = node.relation().location().getClass().getName().startswith(FILE_INDEXES)
    else:
        known = node.scan().getClass().getName().startswith(FILE_SCANS)
    if not known:
        raise _refused(f"the input is no plain files for Spark ({node.nodeName().strip()})")
    return node


def _views(plan):
    """The texts of the views in a plan."""
    if plan.getClass().getSimpleName() == "View":
        text = plan.desc().viewText()
        yield text.get() if text.isDefined() else ""
    children = plan.children()
    for i in range(children.size()):
        yield from _views(children.apply(i))


def _files(partition):
    """The PartitionedFiles of one of Spark's partitions."""
    kind = partition.getClass().getSimpleName()
    if kind == "FilePartition":
        return list(partition.files())
    if kind == "DataSourceRDDPartition":
        try:
            inputs = partition.inputPartitions()
        except Py4JError:  # Spark 4.3 has one at most
            inputs = partition.inputPartition().toList()
        return [file for i in range(inputs.size()) for file in _files(inputs.apply(i))]
    raise _refused(f"the input's query reads no files ({kind})")


def _digest(files, seen):
    """seen: what is known of each file, by path, for all partitions of one query."""
    pieces = []
    for file in files:
        path = file.filePath().toString()
        if path not in seen:
            values = file.partitionValues().toString()
            seen[path] = [path, file.fileSize(), file.modificationTime(), values]
        pieces.append([*seen[path], file.start(), file.length()])
    return hashlib.sha256(json.dumps(sorted(pieces)).encode()).hexdigest()
