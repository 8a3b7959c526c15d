"""Inference over what Spark reads, on the driver: one Spark job reads, predicts and writes.

The members' engines compute (predictor.py has the tasks' half). What does not fit the model is
found before anything runs, by `tfos-node contract`.
"""

import base64
import json
import os
import subprocess

from pyspark.errors import AnalysisException
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType

from tfos import exits, inputs
from tfos.causes import first_line, lacks_pyarrow
from tfos.exits import InputError
from tfos.partitions import FilePartitions
from tfos.paths import URL, for_spark
from tfos.pipe import arrow_schema

NO_CSV = (ArrayType, BinaryType, MapType, StructType)  # which Spark does not write into CSV
# Where the next run looks for what tasks have committed (internal/work/partitions.go), whatever
# the settings of the cluster are: Hadoop's committer of version 1 keeps a folder for each task.
PROTOCOL_CONF = "spark.sql.sources.commitProtocolClass"
PROTOCOL = "org.apache.spark.sql.execution.datasources.SQLHadoopMapReduceCommitProtocol"
MOST_ROWS_CONF = "spark.sql.files.maxRecordsPerFile"
MARK_CONF = "mapreduce.fileoutputcommitter.marksuccessfuljobs"
FACTORY = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
COMMITTER = {
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.job.application.attempt.id": "0",
    "mapreduce.outputcommitter.factory.class": FACTORY,
    "mapreduce.outputcommitter.factory.scheme.file": FACTORY,
    "spark.sql.parquet.output.committer.class": "org.apache.parquet.hadoop.ParquetOutputCommitter",
    "spark.sql.sources.outputCommitterClass": (
        "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitter"
    ),
}


def find(sc, work, node_binary, slots, show, storage):
    """The Predictions of a plan's predict: what cannot be read or does not fit is found here.

    slots: how many predict tasks run at once; show(table): tells the user how columns go into
    the model; storage: of storage.py, or None. InputError: as inputs.find.
    """
    spark = SparkSession.builder.getOrCreate()
    with inputs.reading():
        frame = inputs.load(spark, work, node_binary)
        schema = arrow_schema(spark, frame)
    contract = _contract(node_binary, work["request"], schema, storage)
    show(contract["table"])
    return Predictions(spark, work, frame, contract, slots, schema)


def _contract(node_binary, request, schema, storage):
    schema = base64.b64encode(schema).decode()
    question = {"request": request, "schema": schema, "storage": storage}
    asked = subprocess.run(
        [node_binary, "contract"], input=json.dumps(question), capture_output=True, text=True
    )
    if asked.returncode != 0:
        raise InputError(exits.BAD_DATA, f"input: {asked.stderr.strip()}")
    answer = json.loads(asked.stdout)
    if answer["code"] != 0:
        table = "\n" + answer["table"] if answer["code"] == exits.BAD_DATA else ""
        raise InputError(answer["code"], f"input: {answer['cause']}{table}")
    return answer


class Predictions:
    """What the run's one Spark job is made of."""

    def __init__(self, spark, work, frame, contract, slots, schema):
        request = work["request"]
        keep = request.get("keep") or []
        fields = [frame.schema[name].jsonValue() for name in keep]
        fields += [{**column, "nullable": True, "metadata": {}} for column in contract["outputs"]]
        self._schema = StructType.fromJson({"type": "struct", "fields": fields})
        self._spark = spark
        self._check_writer(work)
        needed = list(dict.fromkeys([*contract["inputs"], *keep]))
        bad = request.get("on_bad_row") or "fail"
        sent = needed if bad == "quarantine" else contract["inputs"]
        self._columns = {
            "feed": work["name"],
            "inputs": sent,
            "keep": keep,
            "fail": bad == "fail",
            "batch": contract.get("batch") or 1,
        }
        self._work, self._slots = work, slots
        self._frame = inputs.select(frame, needed)
        size = batch_rows(request["batch_size"], contract.get("batch") or 1)
        self._batch_rows = batch_rows(inputs.arrow_rows(self._frame), size)
        self._done = frozenset()
        self.partitions = None  # what an output that resumes is told of them
        if work.get("resume"):
            inputs.tune(spark, self._batch_rows, slots)  # decides how files are divided
            with inputs.reading():
                found = FilePartitions(spark, self._frame)
            self._frame = found.frame()
            schema = base64.b64encode(schema).decode()
            self.partitions = {"schema": schema, **found.describe()}

    def _check_writer(self, work):
        left = [f for f in self._schema.fields if f.name not in work["partition_by"]]
        for field in left if work["output_format"] == "csv" else []:
            if isinstance(field.dataType, NO_CSV):
                raise InputError(
                    exits.USAGE,
                    f"output.format: csv: Spark does not write {field.dataType.simpleString()} "
                    f"into CSV (column {field.name}): use parquet, orc or json",
                )

        if work.get("resume") and URL.match(work["output"]):
            most = int(self._spark.conf.get(MOST_ROWS_CONF))
            if most > 0:
                raise InputError(
                    exits.USAGE,
                    f"output.if_exists: resume: on a store each partition must be one file, and "
                    f"{MOST_ROWS_CONF} is {most}: set it to 0, or choose another if_exists",
                )

    def leave_out(self, partitions):
        """These are finished, by number."""
        self._done = frozenset(partitions)

    def send(self, _epoch, members, credentials, _folder):
        """Run the job. Returns one Row as of a feed's partition, with the rows that were written.

        Raises what Spark throws when a task failed for good.
        """
        inputs.tune(self._spark, self._batch_rows, self._slots)
        given = self._spark.sparkContext.accumulator(0)  # of tasks that succeeded
        try:
            self._run(members, credentials, given)
        except AnalysisException as err:
            raise InputError(exits.USAGE, f"output: {first_line(err)}") from err
        except Exception as err:
            if why := lacks_pyarrow(err):
                raise RuntimeError(
                    f"read_by: spark needs Python with pyarrow on executors, "
                    f"of the driver's minor version: {why}"
                ) from err
            raise
        rows = given.value
        return [Row(partition=0, rows=rows, sent=rows, skipped=0, error=None, note=None)]

    def _run(self, members, credentials, given):
        from tfos.predictor import make_predictor  # needs pyarrow

        predictor = make_predictor(self._columns, members, credentials, given, self._done)
        writer = self._frame.mapInArrow(predictor, self._schema).write
        writer = writer.format(self._work["output_format"])
        if self._work.get("resume"):
            writer = self._lasting(writer)
        elif self._work.get("in_place"):  # tfos writes _SUCCESS when its sign is gone
            writer = writer.mode("append").option(MARK_CONF, "false")
        if self._work["partition_by"]:
            writer = writer.partitionBy(*self._work["partition_by"])
        output = self._work["output"]
        writer.save(for_spark(self._spark, output) if URL.match(output) else "file:" + output)

    def _lasting(self, writer):
        """Has what tasks commit survive the job's end, however it ends.

        Spark deletes _temporary when a job fails or is cancelled; of a link it deletes the link.
        Stores have no links. There a task's commit gives its file the final name: it is one file
        (validate, and _check_writer), which is there as a whole or not at all.
        """
        output = self._work["output"]
        if URL.match(output):
            self._spark.conf.set(PROTOCOL_CONF, PROTOCOL)
            at_once = {"mapreduce.fileoutputcommitter.algorithm.version": "2"}
            return writer.mode("append").options(**{**COMMITTER, **at_once})
        os.makedirs(output)
        os.makedirs(os.path.join(os.path.dirname(output), "pending"))
        os.symlink("../pending", os.path.join(output, "_temporary"))
        self._spark.conf.set(PROTOCOL_CONF, PROTOCOL)
        return writer.mode("append").options(**COMMITTER)


def batch_rows(rows, batch_size):
    """The most rows, about so many, that are whole batches; one batch at least."""
    return max(batch_size, rows - rows % batch_size)
