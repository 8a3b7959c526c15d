"""What Spark can read and hold arrives: formats, a table, types, nulls, two named feeds."""

import decimal
import importlib.util
import json
import os
import pickle
import subprocess
from collections import Counter

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from converter import Converter
from harness import PYTHON, flags, received, slow, write_rows
from test_train import LIGHT


@pytest.fixture
def run(job, write_job):
    """Run count.py, or another program, on one member over the input given as YAML."""

    def run(source, program="count.py", **settings):
        path = write_job(program, "DATA", members=1, **settings)
        path.write_text(path.read_text().replace("{path: DATA, format: parquet}", source))
        result = job.run("train", path)
        job.assert_clean()
        return result

    return run


def assert_ids(job, result, rows):
    assert result.code == 0, result.stderr
    assert sorted(received(job.folder / "model")[0]) == list(range(rows))


@pytest.mark.slow
def test_jvms_that_read_rows_compile(job, write_job):
    """test_train::test_local_cluster_is_the_default: JVMs that do not."""
    data = write_rows(job.folder / "rows", 500)
    path = write_job(
        "count.py",
        data,
        members=1,
        spark="{master: 'local-cluster[1,2,1024]'}",
        more="read_by: spark",
    )
    job.start("train", path)
    (executor,) = job.wait_for(lambda: job.processes("CoarseGrainedExecutorBackend")).values()
    (driver,) = job.processes("deploy.SparkSubmit").values()
    assert LIGHT in driver and LIGHT not in executor
    assert_ids(job, job.wait(), 500)
    job.assert_clean()


@pytest.mark.slow
def test_json(job, run):
    folder = job.folder / "data"
    folder.mkdir()
    for i in range(2):
        lines = [json.dumps({"id": i * 250 + k, "x": [k / 2] * 3}) for k in range(250)]
        (folder / f"part-{i}.json").write_text("\n".join(lines))
    assert_ids(job, run(f"{{path: {folder}, format: json}}"), 500)


def test_tfrecord_without_a_jar(job, run):
    """Executors read what Spark has no reader for."""
    rows = write_rows(job.folder / "rows", 500)
    Converter()("tfrecord", rows, job.folder / "data", "--shards", 3)
    result = run(f"{{path: {job.folder}/data, format: tfrecord}}")
    assert_ids(job, result, 500)
    assert "read_by: spark" not in result.stderr


@pytest.mark.slow
def test_csv_by_executors(job, run):
    folder = job.folder / "data"
    folder.mkdir()
    for i in range(2):
        lines = ["id;word", *(f"{i * 250 + k};{k}" for k in range(250))]
        (folder / f"part-{i}.csv").write_text("\n".join(lines))
    source = f"{{path: {folder}, format: csv, options: {{sep: ';', header: 'true'}}}}"
    assert_ids(job, run(source, more="read_by: executor"), 500)


@pytest.mark.slow
@pytest.mark.parametrize("read_by", ["auto", "spark"])
def test_columns_in_folders_names(job, run, read_by):
    """Feed tasks read them by themselves, and as Spark does."""
    for day in range(2):
        folder = job.folder / "data" / f"day={day}"
        folder.mkdir(parents=True)
        rows = pa.array(range(250), pa.int64())
        pq.write_table(pa.table({"row": rows}), folder / "part-0.parquet")
    more = f"read_by: {read_by}\ninput_mapping: {{day: id, row: row}}"
    result = run(f"{{path: {job.folder}/data}}", more=more)
    assert result.code == 0, result.stderr
    assert "read_by: spark, because" not in result.stderr
    ids = received(job.folder / "model")[0]
    assert sorted(ids) == [0] * 250 + [1] * 250


def test_a_damaged_file_is_named(job, run):
    data = write_rows(job.folder / "data", 1000, files=3)
    damaged = sorted(data.glob("*.parquet"))[1]
    content = bytearray(damaged.read_bytes())
    content[4:40] = b"\xff" * 36  # the first page; the footer is whole
    damaged.write_bytes(content)
    result = run(f"{{path: {data}}}", more="read_by: executor")
    assert result.code == 6, result.stderr
    assert str(damaged) in result.verdict["cause"]


def test_orc(job, run):
    folder = job.folder / "data"
    folder.mkdir()
    table = pa.table({"id": pa.array(range(500), pa.int64()), "x": ["a"] * 500})
    pyarrow.orc.write_table(table, folder / "part-0.orc")
    assert_ids(job, run(f"{{path: {folder}, format: orc}}"), 500)


MAKE_TABLE = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE DATABASE digits")
spark.range(500).write.format("parquet").saveAsTable("digits.ids")
spark.stop()
"""


def test_table_of_a_metastore(job, run):
    metastore = f"jdbc:derby:;databaseName={job.folder}/metastore;create=true"
    conf = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(job.folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": metastore,
        "spark.ui.enabled": "false",
        # Derby's log goes to the working directory otherwise.
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={job.folder}",
    }
    script = job.folder / "make_table.py"
    script.write_text(MAKE_TABLE)
    # By the Spark that runs the job: its version of pyspark, and of the metastore.
    home = os.environ.get("SPARK_HOME") or os.path.dirname(
        importlib.util.find_spec("pyspark").origin
    )
    settings = flags("--conf", conf)
    made = subprocess.run(
        [f"{home}/bin/spark-submit", "--master", "local[2]", *settings, script],
        env={**os.environ, "PYSPARK_PYTHON": str(PYTHON), "TMPDIR": str(job.temp)},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    spark = json.dumps({"master": "local[3]", "conf": conf})
    assert_ids(job, run("{table: digits.ids}", spark=spark), 500)


COLUMNS = {
    "byte": (pa.int8(), lambda i: i % 256 - 128),
    "short": (pa.int16(), lambda i: i * 16 - 32768),
    "int": (pa.int32(), lambda i: i - 2**31),
    "long": (pa.int64(), lambda i: 2**63 - 1 - i),
    "float": (pa.float32(), lambda i: i / 4),
    "double": (pa.float64(), lambda i: i / 3),
    "decimal": (pa.decimal128(12, 2), lambda i: decimal.Decimal(i) / 4),
    "boolean": (pa.bool_(), lambda i: i % 3 == 0),
    "string": (pa.string(), lambda i: f"{i} grün ☃" * (i % 3)),
    "binary": (pa.binary(), lambda i: bytes([i % 256, 0, 255]) * (i % 4)),
    "array": (pa.list_(pa.float32()), lambda i: [i / 2, 1.5, -i]),
    "ragged": (pa.list_(pa.int32()), lambda i: list(range(i % 5))),
    "matrix": (pa.list_(pa.list_(pa.float64())), lambda i: [[i, i + 1.0], [i / 7, 0.0]]),
    "words": (pa.list_(pa.string()), lambda i: [str(i), "ü", ""]),
    **{f"wide{c}": (pa.int32(), lambda i, c=c: i * 1000 + c) for c in range(300)},
}
DTYPES = {
    **{"byte": "|i1", "short": "<i2", "int": "<i4", "long": "<i8", "float": "<f4"},
    **{"double": "<f8", "decimal": "<f8", "boolean": "|b1", "array": "<f4", "matrix": "<f8"},
    **{"string": "|O", "binary": "|O", "ragged": "|O", "words": "|O"},
}


@pytest.mark.parametrize("read_by", ["executor", "spark"])
def test_values_arrive_as_they_were_written(job, run, read_by):
    """Every type of number, strings, bytes, lists and 300 more columns, and one of a folder."""
    folder = job.folder / "data" / "day=3"
    folder.mkdir(parents=True)
    written = {
        name: pa.array([make(i) for i in range(400)], kind)
        for name, (kind, make) in COLUMNS.items()
    }
    pq.write_table(pa.table(written), folder / "part-0.parquet")
    source = f"{{path: {job.folder}/data}}"
    result = run(source, program="inputs_values.py", more=f"read_by: {read_by}")
    assert result.code == 0, result.stderr
    with open(job.folder / "model" / "rows.pickle", "rb") as file:
        got = pickle.load(file)
    assert got.pop("day") == ("<i4", [3] * 400)
    assert set(got) == set(COLUMNS)
    for name, column in written.items():
        assert got[name][1] == column.to_pylist(), name
    assert {name: got[name][0] for name in DTYPES} == DTYPES


@pytest.mark.parametrize(
    ("inside_a_list", "read_by"),
    [(False, "executor"), (True, "spark"), slow(True, "executor"), slow(False, "spark")],
)
def test_a_null_is_an_error_that_names_its_place(job, run, inside_a_list, read_by):
    def value(i):
        null = None if i == 700 else float(i)
        return [1.0, null] if inside_a_list else null

    data = write_rows(job.folder / "data", 1000, columns={"x": value})
    result = run(f"{{path: {data}}}", more=f"read_by: {read_by}")
    assert result.code == 6, result.stderr
    cause = result.verdict["cause"]
    assert "column x: null" in cause
    assert "row 700 of partition 0" in cause
    assert ("inside the list" in cause) == inside_a_list


def test_train_and_validation_are_two_feeds(job, write_job):
    """Each worker sees its validation rows whole in every pass, and its train rows once."""
    train = write_rows(job.folder / "train", 1000, files=3)
    validation = write_rows(job.folder / "validation", 300, files=2)
    path = write_job("inputs_feeds.py", "DATA", epochs=2)
    source = f"{{train: {{path: {train}}}, validation: {{path: {validation}}}}}"
    path.write_text(path.read_text().replace("{path: DATA, format: parquet}", source))
    result = job.run("train", path)
    assert result.code == 0, result.stderr
    trained = Counter(i for ids in received(job.folder / "model").values() for i in ids)
    assert trained == dict.fromkeys(range(1000), 2)
    shares = []
    for worker in range(2):
        lines = (job.folder / "model" / f"passes-{worker}.txt").read_text().splitlines()
        assert len(lines) == 3
        assert len(set(lines)) == 1  # the same rows in every pass
        shares += [int(i) for i in lines[0].split()]
    assert sorted(shares) == list(range(300))
    account = Counter()
    for feed in result.verdict["feeds"]:
        account[feed["feed"]] += feed["trained"]
    assert account == {"train": 2000, "validation": 300}
    assert result.verdict["rows"]["dropped"] == 0
    job.assert_clean()
