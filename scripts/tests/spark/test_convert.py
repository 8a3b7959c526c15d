"""Files of Spark are read by tfos, and files of tfos by Spark."""

import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from converter import Converter
from harness import PYTHON

ROWS = 1000
DDL = (
    "id bigint, tiny tinyint, small smallint, int int, float float, double double, bool boolean, "
    "text string, bytes binary, floats array<float>, holes array<int>, texts array<string>"
)
RICH = (
    ", day date, instant timestamp, local timestamp_ntz, price decimal(12,2), wide decimal(38,0), "
    "pair struct<a:int,b:array<string>>, pairs array<struct<x:int>>, map map<string,bigint>"
)


def row(i):
    return {
        "id": i,
        "tiny": i % 256 - 128,
        "small": None if i % 5 == 1 else i,
        "int": -i,
        "float": i / 4,
        "double": None if i % 3 == 2 else i / 7,
        "bool": i % 2 == 0,
        "text": [None, 'a "b", c', "zé 🙂", f"t{i}"][i % 4],
        "bytes": bytes([i % 256, 0, 255]),
        "floats": [k / 2 for k in range(i % 5)],
        "holes": None if i % 7 == 3 else [None if k % 2 else k for k in range(i % 4)],
        "texts": ["x", "ü"][: i % 3],
    }


def rich(i):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=i)
    moment = datetime.datetime(1950, 3, 4, 5, 6, 7, 890123) + datetime.timedelta(days=i)
    return row(i) | {
        "day": day,
        "instant": moment,
        "local": moment,
        "price": decimal.Decimal(i).scaleb(-2),
        "wide": decimal.Decimal(-(10**30) * i),
        "pair": None if i % 4 == 1 else {"a": i, "b": None if i % 3 else ["q"] * (i % 2)},
        "pairs": [{"x": k} for k in range(i % 3)],
        "map": {str(k): k for k in range(i % 3)},
    }


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", False)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.pyspark.python", str(PYTHON))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def convert():
    return Converter()


def plain(value):
    """A value without Spark's or pyarrow's ways to hold it."""
    if isinstance(value, bytearray):
        return bytes(value)
    if hasattr(value, "asDict"):
        return {name: plain(v) for name, v in value.asDict().items()}
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, list) and value and type(value[0]) is tuple:  # pyarrow's maps
        return dict(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


def check(found, columns, make):
    """Rows, in any order, against those that make makes."""
    by_id = {r["id"]: r for r in found}
    assert len(found) == len(by_id) == ROWS
    for i in range(ROWS):
        wanted = make(i)
        for name in columns:
            have = plain(by_id[i][name])
            wants = {} if name == "map" and not wanted[name] else wanted[name]
            assert (have or {} if name == "map" else have) == wants, (i, name)


def columns_of(ddl):
    return [part.split(" ")[0] for part in ddl.replace("<a:int,b", "<a:int;b").split(", ")]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip", "parquet.writer.version": "v2"},
        {"compression": "zstd", "parquet.enable.dictionary": "false", "parquet.page.size": "2000"},
        {"compression": "none", "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"},
    ],
    ids=["defaults", "v2", "plain", "micros"],
)
def test_parquet_of_spark(spark, convert, tmp_path, options):
    session = {k: v for k, v in options.items() if k.startswith("spark.")}
    for key, value in session.items():
        spark.conf.set(key, value)
    frame = spark.createDataFrame([rich(i) for i in range(ROWS)], DDL + RICH)
    writer = frame.repartition(3).write
    for key, value in options.items():
        writer = writer.option(key, value)
    writer.parquet(str(tmp_path / "in"))
    for key in session:
        spark.conf.unset(key)
    table = convert.table(tmp_path / "in", tmp_path / "out")
    check(table.to_pylist(), columns_of(DDL + RICH), rich)


def test_parquet_of_tfos(spark, convert, tmp_path):
    frame = pa.Table.from_pylist([rich(i) for i in range(ROWS)], arrow_schema())
    pq.write_table(frame, tmp_path / "a.parquet")
    out = convert("parquet", tmp_path / "a.parquet", tmp_path / "out", "--shards", 3)
    read = spark.read.parquet(str(out))
    types = {f["name"]: f["type"] for f in json.loads(read.schema.json())["fields"]}
    assert types["floats"]["elementType"] == "float" and types["local"] == "timestamp_ntz"
    check(read.collect(), columns_of(DDL + RICH), rich)


def arrow_schema():
    pair = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
    return pa.schema(
        {
            "id": pa.int64(),
            "tiny": pa.int8(),
            "small": pa.int16(),
            "int": pa.int32(),
            "float": pa.float32(),
            "double": pa.float64(),
            "bool": pa.bool_(),
            "text": pa.string(),
            "bytes": pa.binary(),
            "floats": pa.list_(pa.float32()),
            "holes": pa.list_(pa.int32()),
            "texts": pa.list_(pa.string()),
            "day": pa.date32(),
            "instant": pa.timestamp("us", "UTC"),
            "local": pa.timestamp("us"),
            "price": pa.decimal128(12, 2),
            "wide": pa.decimal128(38, 0),
            "pair": pair,
            "pairs": pa.list_(pa.struct([("x", pa.int32())])),
            "map": pa.map_(pa.string(), pa.int64()),
        }
    )


TEXT = "id bigint, int int, double double, bool boolean, text string"


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_csv_both_ways(spark, convert, tmp_path, compression):
    frame = spark.createDataFrame([row(i) for i in range(ROWS)], DDL).select(*columns_of(TEXT))
    frame.write.option("header", True).csv(str(tmp_path / "in"), compression=compression)
    table = convert.table(tmp_path / "in", tmp_path / "arrow", "--schema", TEXT)
    check(table.to_pylist(), columns_of(TEXT), row)
    flags = ["--shards", 2, "--compression", compression, "--schema", TEXT]
    out = convert("csv", tmp_path / "in", tmp_path / "out", *flags)
    read = spark.read.schema(TEXT).csv(str(out), header=True)
    check(read.collect(), columns_of(TEXT), row)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_json_both_ways(spark, convert, tmp_path, compression):
    frame = spark.createDataFrame([row(i) for i in range(ROWS)], DDL)
    frame.write.json(str(tmp_path / "in"), compression=compression)
    table = convert.table(tmp_path / "in", tmp_path / "arrow", "--schema", DDL)
    check(table.to_pylist(), columns_of(DDL), row)
    flags = ["--shards", 2, "--compression", compression, "--schema", DDL]
    out = convert("json", tmp_path / "in", tmp_path / "out", *flags)
    read = spark.read.schema(DDL).json(str(out))
    check(read.collect(), columns_of(DDL), row)
