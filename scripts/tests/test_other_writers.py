"""Files of polars, duckdb, fastparquet, parquet-mr and pyarrow's rarer forms are read.

What pyarrow reads of the same file is right.
"""

import decimal
import struct

import duckdb
import fastparquet
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from remote import on_each

ROWS = 3000


def table():
    n = np.arange(ROWS)
    texts = [f"name-{i % 50}" if i % 9 else None for i in range(ROWS)]
    parts = [bytes([i % 256, i // 256, 7]) if i % 6 else None for i in range(ROWS)]
    prices = [decimal.Decimal(i * (-1) ** i).scaleb(-2) for i in range(ROWS)]
    return pa.table(
        {
            "i32": pa.array((n * 7919 % 100000 - 50000).astype("int32"), mask=n % 5 == 3),
            "i64": pa.array(n.astype("int64") ** 5 * (-1) ** n, mask=n % 7 == 2),
            "f": pa.array((n / 7).astype("float32")),
            "d": pa.array(n / 7, mask=n % 4 == 1),
            "b": pa.array(n % 3 == 0, mask=n % 7 == 2),
            "s": texts,
            "list": pa.array(
                [list(range(i, i + i % 4)) for i in range(ROWS)], pa.list_(pa.int32())
            ),
            "fixed": pa.array(parts, pa.binary(3)),
            "dec": pa.array(prices, pa.decimal128(25, 2)),
            "ts": pa.array(n * 1000, pa.timestamp("us")),
        }
    )


def check(convert, path, out, wanted=None):
    """tfos reads what pyarrow reads of a file."""
    found = convert.table(path, out)
    wanted = pq.ParquetFile(path).read() if wanted is None else wanted
    assert found.column_names == wanted.column_names
    assert found.num_rows == wanted.num_rows > 0
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


def refused(convert, path, *words):
    done = convert.start("arrow", path, f"{path}.out")
    assert done.returncode == 6, done
    for word in [path.name, *words]:
        assert word in done.stderr, (word, done.stderr)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_codecs_of_pyarrow(convert, tmp_path, codec, version):
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path, compression=codec, data_page_version=version)
    check(convert, path, tmp_path / "out")


ENCODINGS = {
    "DELTA_BINARY_PACKED": ["i32", "i64", "list", "ts"],
    "DELTA_LENGTH_BYTE_ARRAY": ["s"],
    "DELTA_BYTE_ARRAY": ["s", "fixed", "dec"],
    "BYTE_STREAM_SPLIT": ["i32", "i64", "f", "d", "list", "fixed", "dec", "ts"],
    "RLE": ["b"],
    "PLAIN": table().column_names,
}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_pyarrow(convert, tmp_path, encoding, version):
    columns = ENCODINGS[encoding]
    leaves = ["list.list.element" if name == "list" else name for name in columns]
    options = {"use_dictionary": False, "column_encoding": dict.fromkeys(leaves, encoding)}
    for size in [1 << 20, 300]:
        path = tmp_path / f"{size}.parquet"
        chosen = table().select(columns)
        pq.write_table(chosen, path, data_page_version=version, data_page_size=size, **options)
        assert encoding in pq.read_metadata(path).row_group(0).column(0).encodings
        check(convert, path, tmp_path / f"out{size}")


@pytest.mark.parametrize("codec", ["lz4", "uncompressed", "snappy", "gzip", "brotli", "zstd"])
def test_parquet_of_polars(convert, tmp_path, codec):
    frame = pl.from_arrow(table())
    for size in [None, 500]:
        path = tmp_path / f"{size}.parquet"
        frame.write_parquet(path, compression=codec, row_group_size=size)
        check(convert, path, tmp_path / f"out{size}")


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"])
def test_parquet_of_duckdb(convert, tmp_path, codec, version):
    rows = table()  # noqa: F841  (duckdb finds it by its name)
    path = tmp_path / "a.parquet"
    duckdb.sql(
        f"""copy (select *, 'x' || i32 as long, uuid() as u, interval 3 day as span,
        '{{"a":1}}'::json as js, if(i32 % 2 = 0, 'x', 'y')::enum('x', 'y') as en,
        cast(i32 as hugeint) as h, cast(abs(i32) % 100 as utinyint) as small from rows)
        to '{path}' (format parquet, codec '{codec}', parquet_version {version})"""
    )
    check(convert, path, tmp_path / "out")
    kinds = {f.name: f.type for f in convert.table(path, tmp_path / "again").schema}
    assert kinds["js"] == kinds["en"] == pa.string()


@pytest.mark.parametrize(
    "codec", ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4", "LZ4_RAW"]
)
def test_parquet_of_fastparquet(convert, tmp_path, codec):
    frame = table().drop_columns(["list", "fixed", "dec"]).to_pandas()
    frame["group"] = frame.s.astype("category")
    frame["js"] = [{"a": i} for i in range(ROWS)]
    path = tmp_path / "a.parquet"
    kinds = {name: "json" if name == "js" else "infer" for name in frame.columns}
    fastparquet.write(str(path), frame, compression=codec, object_encoding=kinds)
    found = convert.table(path, tmp_path / "out")
    wanted = pq.ParquetFile(path).read()
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
    assert found["js"][1].as_py() == '{"a":1}'


@on_each
def test_logical_types(convert, tmp_path):
    columns = {
        "half": pa.array(np.array([1, 2.5, -3], "float16")),
        "time32": pa.array([1, 2, 3], pa.time32("ms")),
        "time64": pa.array([1, 2, None], pa.time64("us")),
        "nanos": pa.array([1, None, 3], pa.time64("ns")),
        "stamp": pa.array([1, 2, 3], pa.timestamp("ns")),
        "nothing": pa.nulls(3),
        "small": pa.array([decimal.Decimal("1.5")] * 3, pa.decimal128(5, 2)),
        "huge": pa.array([decimal.Decimal("1.5")] * 3, pa.decimal256(50, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    check(convert, tmp_path / "a.parquet", tmp_path / "out")


@on_each
def test_what_is_not_read_is_named(convert, tmp_path):
    """The message has the file, the column, and what is not known."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"plain": [1, 2], "odd": [3, 4]}), path, compression="zstd")
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = bytearray(content[-8 - length : -8])
    # CompressionCodec ZSTD (6, as zigzag 12) of the second column becomes LZO (3).
    at = [i for i in range(len(footer) - 1) if footer[i : i + 2] == b"\x15\x0c"][-1]
    footer[at + 1] = 6
    path.write_bytes(content[: -8 - length] + footer + content[-8:])
    refused(convert, path, "column odd", "LZO")


@on_each
def test_arrow_of_polars(convert, tmp_path):
    frame = pl.from_arrow(table()).with_columns(
        pl.col("s").cast(pl.Categorical).alias("category"),
        pl.lit("longer than twelve bytes").alias("long"),
    )
    for level in [pl.CompatLevel.oldest(), pl.CompatLevel.newest()]:
        for codec in ["uncompressed", "lz4", "zstd"]:
            for form, opened in [("ipc", ipc.open_file), ("ipc_stream", ipc.open_stream)]:
                path = tmp_path / f"{form}-{codec}-{level._version}.arrow"
                getattr(frame, f"write_{form}")(path, compression=codec, compat_level=level)
                with pa.OSFile(str(path)) as file:
                    wanted = opened(file).read_all()
                check(convert, path, tmp_path / f"{path.stem}-out", wanted)


VIEWS = {
    "string_view": pa.array(["a", "longer than twelve bytes", None], pa.string_view()),
    "binary_view": pa.array([b"a", b"longer than twelve bytes", None], pa.binary_view()),
    "list_view": pa.array([[1, 2], [], None], pa.list_view(pa.int32())),
    "views_in_views": pa.array([["x" * 20], [], None], pa.large_list_view(pa.string_view())),
    "in_structs": pa.array(
        [{"a": "x" * 20}, None, {"a": None}], pa.struct([("a", pa.string_view())])
    ),
    "runs": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None]),
    "shared": pa.ListViewArray.from_arrays(
        pa.array([2, 0, 1], pa.int32()), pa.array([1, 3, 2], pa.int32()), pa.array([5, 6, 7])
    ),
}


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("name", VIEWS)
def test_views_of_arrow(convert, tmp_path, name, codec):
    rows = pa.table({name: VIEWS[name]})
    options = ipc.IpcWriteOptions(compression=codec)
    for form, new in [("file", ipc.new_file), ("stream", ipc.new_stream)]:
        path = tmp_path / f"{form}.arrow"
        with new(str(path), rows.schema, options=options) as writer:
            writer.write_table(rows)
            writer.write_table(rows.slice(1))
        check(convert, path, tmp_path / f"{form}-out", pa.concat_tables([rows, rows.slice(1)]))


@pytest.mark.parametrize("delta", [True, False])
def test_dictionaries_that_change(convert, tmp_path, delta):
    pieces = [
        pa.table({"a": pa.array(values).dictionary_encode()})
        for values in [["x", "y"], ["x", "y", "z"], ["q", "x"]]
    ]
    path = tmp_path / "a.arrow"
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=delta)
    with ipc.new_stream(str(path), pieces[0].schema, options=options) as writer:
        for piece in pieces:
            writer.write_table(piece)
    texts = [v for piece in pieces for v in piece["a"].to_pylist()]
    check(convert, path, tmp_path / "out", pa.table({"a": texts}))


@on_each
def test_arrow_files_are_what_their_footers_say(convert, tmp_path):
    """A batch that the footer leaves out is no row, as for pyarrow."""
    path = tmp_path / "a.arrow"
    rows = pa.table({"a": [1, 2]})
    with ipc.new_file(str(path), rows.schema) as writer:
        for _ in range(3):
            writer.write_table(rows)
    content = bytearray(path.read_bytes())
    length = struct.unpack("<I", content[-10:-6])[0]
    start = len(content) - 10 - length
    # The vector of record batches: its length 3, then blocks of 24 bytes.
    with pa.OSFile(str(path)) as file:
        assert ipc.open_file(file).num_record_batches == 3
    places = [at for at in range(start, len(content) - 80) if content[at : at + 4] == b"\x03\0\0\0"]
    done = 0
    for at in places:
        changed = bytearray(content)
        changed[at] = 2
        path.write_bytes(changed)
        try:
            with pa.OSFile(str(path)) as file:
                wanted = ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            continue
        if wanted.num_rows == 4:
            check(convert, path, tmp_path / f"out{at}", wanted)
            done += 1
    assert done == 1


@on_each
def test_arrow_files_that_are_refused(convert, tmp_path):
    rows = pa.table({"a": [1, 2]})
    pyarrow.feather.write_feather(rows, str(tmp_path / "v1.feather"), version=1)
    refused(convert, tmp_path / "v1.feather", "version 1", "version 2")


@pytest.mark.spark
@pytest.mark.parametrize("version", ["PARQUET_1_0", "PARQUET_2_0"])
def test_parquet_of_spark(convert, tmp_path, version):
    """parquet-mr: its codecs, Hadoop's LZ4 among them, in both versions of its pages."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").getOrCreate()
    try:
        spark.sparkContext._jsc.hadoopConfiguration().set("parquet.writer.version", version)
        frame = spark.range(ROWS).selectExpr(
            "cast(id * 7919 % 100000 as int) i32", "id * id * id i64", "cast(id as float) f",
            "id / 7 d", "id % 3 = 0 b", "if(id % 9 = 0, null, concat('name-', id % 50)) s",
            "concat('long-', id * 7919) t", "sequence(id, id + id % 4) l",
            "cast(id as decimal(25, 2)) dec", "cast(concat('x', id) as binary) bin",
            "date_add(date'1970-01-01', cast(id as int)) day",
            "named_struct('a', id, 'b', array(id)) st",
        ).coalesce(1)  # fmt: skip
        for codec in ["none", "snappy", "gzip", "zstd", "lz4", "lz4raw"]:
            for dictionary in ["true", "false"]:
                folder = tmp_path / f"{codec}-{dictionary}"
                options = {"compression": codec, "parquet.enable.dictionary": dictionary}
                frame.write.options(**options).parquet(str(folder))
                (path,) = folder.glob("*.parquet")
                check(convert, path, tmp_path / f"{codec}-{dictionary}-out")
    finally:
        spark.stop()
