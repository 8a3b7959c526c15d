"""Inference over what Spark reads, on the driver: one Spark job reads, predicts and writes.

The members' engines compute (predictor.py has the tasks' half). What does not fit the model is
found before anything runs, by `tfos-node contract`.
"""

import base64
import json
import subprocess

from pyspark.errors import AnalysisException
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType

from tfos import inputs
from tfos.causes import first_line, lacks_pyarrow
from tfos.inputs import EXIT_DATA, EXIT_JOB_FILE, InputError
from tfos.pipe import arrow_schema

NO_CSV = (ArrayType, BinaryType, MapType, StructType)  # which Spark does not write into CSV


def find(sc, work, node_binary, slots, show):
    """The Predictions of a plan's predict: what cannot be read or does not fit is found here.

    slots: how many predict tasks run at once; show(table): tells the user how columns go into
    the model. InputError: as inputs.find.
    """
    spark = SparkSession.builder.getOrCreate()
    with inputs.reading():
        frame = inputs.load(spark, work)
        schema = arrow_schema(spark, frame)
    contract = _contract(node_binary, work["request"], schema)
    show(contract["table"])
    return Predictions(spark, work, frame, contract, slots)


def _contract(node_binary, request, schema):
    question = {"request": request, "schema": base64.b64encode(schema).decode()}
    asked = subprocess.run(
        [node_binary, "contract"], input=json.dumps(question), capture_output=True, text=True
    )
    if asked.returncode != 0:
        raise InputError(EXIT_DATA, f"input: {asked.stderr.strip()}")
    answer = json.loads(asked.stdout)
    if answer["code"] != 0:
        table = "\n" + answer["table"] if answer["code"] == EXIT_DATA else ""
        raise InputError(answer["code"], f"input: {answer['cause']}{table}")
    return answer


class Predictions:
    """What the run's one Spark job is made of."""

    def __init__(self, spark, work, frame, contract, slots):
        request = work["request"]
        keep = request.get("keep") or []
        fields = [frame.schema[name].jsonValue() for name in keep]
        fields += [{**column, "nullable": True, "metadata": {}} for column in contract["outputs"]]
        self._schema = StructType.fromJson({"type": "struct", "fields": fields})
        self._check_writer(work)
        needed = list(dict.fromkeys([*contract["inputs"], *keep]))
        bad = request.get("on_bad_row") or "fail"
        sent = needed if bad == "quarantine" else contract["inputs"]
        self._columns = {"feed": work["name"], "inputs": sent, "keep": keep, "fail": bad == "fail"}
        self._spark, self._work, self._slots = spark, work, slots
        self._frame = inputs.select(frame, needed)
        self._batch_rows = batch_rows(inputs.arrow_rows(self._frame), request["batch_size"])

    def _check_writer(self, work):
        left = [f for f in self._schema.fields if f.name not in work["partition_by"]]
        for field in left if work["output_format"] == "csv" else []:
            if isinstance(field.dataType, NO_CSV):
                raise InputError(
                    EXIT_JOB_FILE,
                    f"output.format: csv: Spark does not write {field.dataType.simpleString()} "
                    f"into CSV (column {field.name}): use parquet, orc or json",
                )

    def send(self, _epoch, members, credentials, _folder):
        """Run the job. Returns one Row as of a feed's partition, with the rows that were written.

        Raises what Spark throws when a task failed for good.
        """
        inputs.tune(self._spark, self._batch_rows, self._slots)
        given = self._spark.sparkContext.accumulator(0)  # of tasks that succeeded
        try:
            self._run(members, credentials, given)
        except AnalysisException as err:
            raise InputError(EXIT_JOB_FILE, f"output: {first_line(err)}") from err
        except Exception as err:
            if why := lacks_pyarrow(err):
                raise RuntimeError(
                    f"read_by: spark needs Python with pyarrow on executors: {why}"
                ) from err
            raise
        rows = given.value
        return [Row(partition=0, rows=rows, sent=rows, skipped=0, error=None, note=None)]

    def _run(self, members, credentials, given):
        from tfos.predictor import make_predictor  # needs pyarrow

        predictor = make_predictor(self._columns, members, credentials, given)
        writer = self._frame.mapInArrow(predictor, self._schema).write
        writer = writer.format(self._work["output_format"])
        if self._work["partition_by"]:
            writer = writer.partitionBy(*self._work["partition_by"])
        writer.save("file:" + self._work["output"])


def batch_rows(rows, batch_size):
    """Rows of Spark's Arrow batches: whole batches of the model's, about so many rows."""
    return max(batch_size, rows - rows % batch_size)
