"""Files of pyarrow, pandas and TensorFlow are read, and those of tfos are read by them."""

import datetime
import decimal
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from converter import Converter
from remote import on_each

ROWS = 3000
TEXTS = ["", "plain", "two\nlines", 'a "quote", a comma', "naïve 漢字 🙂", "back\\slash", None]


def flat():
    """Every width, with nulls, and values that repeat (for dictionaries) and do not."""
    numbers = np.arange(ROWS)
    columns = {}
    for kind in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]:
        most = min(np.iinfo(kind).max, 2**62)
        columns[kind] = pa.array((numbers * 7919 % most).astype(kind), mask=numbers % 5 == 3)
    for kind in ["float32", "float64"]:
        columns[kind] = pa.array((numbers / 7).astype(kind), mask=numbers % 4 == 1)
    columns["bool"] = pa.array(numbers % 3 == 0, mask=numbers % 7 == 2)
    columns["string"] = pa.array([TEXTS[i % 7] for i in numbers])
    columns["long_string"] = pa.array([f"{i:020d}" for i in numbers])
    columns["binary"] = pa.array([bytes([i % 256]) * (i % 5) for i in numbers], pa.binary())
    return pa.table(columns)


def lists():
    floats = [None if i % 11 == 5 else [i + k / 8 for k in range(i % 6)] for i in range(ROWS)]
    return pa.table(
        {
            "floats": pa.array(floats, pa.list_(pa.float32())),
            "fixed": pa.array([[i, i + 1, i + 2] for i in range(ROWS)], pa.list_(pa.float32(), 3)),
            "holes": pa.array(
                [[None if k % 2 else i for k in range(i % 4)] for i in range(ROWS)],
                pa.list_(pa.int64()),
            ),
            "strings": pa.array([["a" * k for k in range(i % 3)] for i in range(ROWS)]),
            "image": pa.array([list(range(i, i + 300)) for i in range(ROWS)], pa.list_(pa.int32())),
        }
    )


def nested():
    rows = range(ROWS)
    return pa.table(
        {
            "struct": [
                None if i % 7 == 3 else {"a": i, "b": None if i % 3 else [str(i)] * (i % 4)}
                for i in rows
            ],
            "structs": [[{"x": k, "y": {"z": [k] * (k % 3)}} for k in range(i % 4)] for i in rows],
            "deep": [[[i, None], [], None][: i % 4] for i in rows],
            "map": pa.array(
                [[(str(k), k) for k in range(i % 3)] for i in rows],
                pa.map_(pa.string(), pa.int32()),
            ),
            "date": [datetime.date(1970 + i % 100, 1, 1) for i in rows],
            "time": pa.array([i * 1_000_000 for i in rows], pa.timestamp("us", "UTC")),
            "millis": pa.array([None if i % 3 else i for i in rows], pa.timestamp("ms")),
            "decimal": pa.array(
                [decimal.Decimal(i * (-1) ** i).scaleb(-2) for i in rows], pa.decimal128(12, 2)
            ),
            "wide": pa.array([decimal.Decimal(-(10**30) * i) for i in rows], pa.decimal128(38, 0)),
        }
    )


def same(found, wanted):
    assert found.column_names == wanted.column_names
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


VARIANTS = {
    "defaults": {},
    "pages of version 2": {"data_page_version": "2.0"},
    "no dictionaries": {"use_dictionary": False},
    "small pages": {"data_page_size": 500, "write_batch_size": 10},
    "small pages of version 2": {
        "data_page_size": 500,
        "write_batch_size": 10,
        "data_page_version": "2.0",
        "compression": "zstd",
    },
    "row groups": {"row_group_size": 77},
    "checksums": {"write_page_checksum": True, "compression": "gzip"},
    "no compression": {"compression": "none"},
    "brotli": {"compression": "brotli"},
    "old": {"version": "1.0", "compression": "snappy"},
    "without an Arrow schema": {"store_schema": False},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("make", [flat, lists, nested])
def test_parquet_of_pyarrow(convert, tmp_path, make, variant):
    table = make()
    pq.write_table(table, tmp_path / "a.parquet", **VARIANTS[variant])
    wanted = pq.read_table(tmp_path / "a.parquet")
    found = convert.table(tmp_path / "a.parquet", tmp_path / "out")
    same(found, wanted)
    if variant == "defaults":
        assert found.schema.equals(table.schema)


def test_checksums_are_checked(tmp_path):
    convert = Converter()
    pq.write_table(flat(), tmp_path / "a.parquet", write_page_checksum=True, compression="none")
    content = (tmp_path / "a.parquet").read_bytes()
    for at in range(
        100, pq.read_metadata(tmp_path / "a.parquet").row_group(0).total_byte_size, 997
    ):
        damaged = bytearray(content)
        damaged[at] ^= 1
        (tmp_path / "b.parquet").write_bytes(damaged)
        done = convert.start("arrow", tmp_path / "b.parquet", tmp_path / "out")
        assert done.returncode == 6, (at, done)
        assert "b.parquet" in done.stderr
        assert not (tmp_path / "out").exists()


@on_each
def test_rare_encodings(convert, tmp_path):
    table = flat().drop_columns(["bool"])
    encodings = {
        name: "DELTA_BINARY_PACKED" if "int" in name else "BYTE_STREAM_SPLIT"
        for name in table.column_names
    }
    encodings |= {"string": "DELTA_BYTE_ARRAY", "long_string": "DELTA_LENGTH_BYTE_ARRAY"}
    encodings["binary"] = "PLAIN"
    for version in ["1.0", "2.0"]:
        path = tmp_path / f"{version}.parquet"
        options = {"use_dictionary": False, "column_encoding": encodings}
        pq.write_table(table, path, data_page_version=version, row_group_size=500, **options)
        same(convert.table(path, tmp_path / version), table)


@on_each
def test_stored_otherwise(convert, tmp_path):
    """Dictionaries, large types and INT96 come as plain values."""
    moments = [datetime.datetime(1900 + i, 1, 2, 3, 4, 5, 678901) for i in range(200)]
    table = pa.table(
        {
            "category": pa.array(["a", None, "b", "a"] * 50).dictionary_encode(),
            "large": pa.array(["x"] * 200, pa.large_string()),
            "larges": pa.array([[1.5, 2]] * 200, pa.large_list(pa.float64())),
            "nothing": pa.nulls(200),
            "moment": pa.array(moments, pa.timestamp("us")),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    found = convert.table(tmp_path / "a.parquet", tmp_path / "out")
    assert found.schema.field("category").type == pa.string()
    assert found.schema.field("moment").type == pa.timestamp("us", "UTC")
    found = found.set_column(4, "moment", found["moment"].cast(pa.timestamp("us")))
    same(found, table)


@pytest.mark.parametrize("make", [flat, lists, nested])
@pytest.mark.parametrize("compression", ["snappy", "none", "gzip", "zstd", "brotli"])
def test_parquet_of_tfos(convert, tmp_path, make, compression):
    table = make()
    pa.feather.write_feather(table, tmp_path / "a.arrow", compression="uncompressed")
    out = convert(
        "parquet",
        tmp_path / "a.arrow",
        tmp_path / "out",
        "--shards",
        2,
        "--compression",
        compression,
    )
    assert sorted(p.name for p in out.iterdir()) == [
        "_SUCCESS",
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    parts = [pq.read_table(out / f"part-0000{i}.parquet") for i in range(2)]
    assert {part.num_rows for part in parts} == {ROWS // 2}
    assert parts[0].schema.equals(table.schema)
    one = convert("parquet", tmp_path / "a.arrow", tmp_path / "one", "--compression", compression)
    same(pq.read_table(one), table)
    frame = pd.read_parquet(one)
    assert len(frame) == ROWS


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("make", [flat, lists, nested])
def test_arrow_of_pyarrow(convert, tmp_path, make, compression, form):
    table = make()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    begin = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with begin(tmp_path / "a.arrow", table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=700)
    found = convert.table(tmp_path / "a.arrow", tmp_path / "out", "--compression", "zstd")
    assert found.schema.equals(table.schema)
    same(found, table)


@on_each
def test_parquet_of_pandas(convert, tmp_path):
    frame = pd.DataFrame(
        {
            "id": np.arange(100),
            "when": pd.date_range("2020-01-01", periods=100, freq="h"),
            "name": [None if i % 3 else f"n{i}" for i in range(100)],
            "maybe": pd.array([None if i % 4 else i for i in range(100)], dtype="Int32"),
            "category": pd.Categorical(["a", "b"] * 50),
            "vector": [np.arange(3, dtype=np.float32) + i for i in range(100)],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    found = convert.table(tmp_path / "a.parquet", tmp_path / "out")
    same(found, pa.Table.from_pandas(frame))


@on_each
def test_text_of_pandas(convert, tmp_path):
    frame = pd.DataFrame(
        {
            "id": np.arange(50),
            "share": np.arange(50) / 7,
            "name": ['a, "b"', "ü\\n"] * 25,
            "ok": [True, False] * 25,
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, double_precision=15)
    for name, flags in [("a.csv", ["--read-option", 'escape="']), ("a.jsonl", [])]:
        found = convert.table(
            tmp_path / name, tmp_path / ("out-" + name), *flags, "--columns", "id,share,name,ok"
        )
        got = found.to_pandas()
        assert (got["id"] == frame["id"]).all() and (got["ok"] == frame["ok"]).all()
        assert (got["name"] == frame["name"]).all()
        np.testing.assert_allclose(got["share"], frame["share"], rtol=1e-14)


@on_each
def test_text_of_tfos(convert, tmp_path):
    table = flat().drop_columns(["binary", "uint64"])
    table = table.set_column(
        table.column_names.index("string"), "string", pa.array(['x,"y"', "zé"] * (ROWS // 2))
    )
    pq.write_table(table, tmp_path / "a.parquet")
    csv = convert("csv", tmp_path / "a.parquet", tmp_path / "csv", "--write-option", 'escape="')
    json = convert("json", tmp_path / "a.parquet", tmp_path / "json")
    types = {field.name: field.type for field in table.schema}
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    same(pa.csv.read_csv(csv / "part-00000.csv", convert_options=options), table)
    parse = pa.json.ParseOptions(explicit_schema=table.schema)
    same(pa.json.read_json(json / "part-00000.json", parse_options=parse), table)
    frame = pd.read_json(json / "part-00000.json", lines=True)
    assert frame["int32"].dropna().tolist() == table["int32"].drop_null().to_pylist()
    frame = pd.read_csv(csv / "part-00000.csv")
    assert frame["string"].tolist() == table["string"].to_pylist()


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def example(tf, i):
    feature = {
        "image": tf.train.Feature(float_list=tf.train.FloatList(value=[i / 4, -i, 0.5])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[-i])),
        "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[f"né{i}".encode()])),
        "ragged": tf.train.Feature(int64_list=tf.train.Int64List(value=range(i % 4))),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


@on_each
@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_of_tensorflow(convert, tmp_path, tf, compression):
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord"), compression) as writer:
        for i in range(500):
            writer.write(example(tf, i).SerializeToString())
    schema = "image array<float>, label bigint, name string, ragged array<bigint>"
    found = convert.table(tmp_path / "a.tfrecord", tmp_path / "out", "--schema", schema)
    same(
        found,
        pa.table(
            {
                "image": [[i / 4, -i, 0.5] for i in range(500)],
                "label": [-i for i in range(500)],
                "name": [f"né{i}" for i in range(500)],
                "ragged": [list(range(i % 4)) for i in range(500)],
            }
        ),
    )


@on_each
@pytest.mark.parametrize("compression", ["none", "gzip", "zlib"])
def test_records_of_tfos(convert, tmp_path, tf, compression):
    table = pa.table(
        {
            "image": pa.array([[i / 4, i, 0.5] for i in range(500)], pa.list_(pa.float32(), 3)),
            "label": pa.array(range(500), pa.int32()),
            "name": [f"né{i}" for i in range(500)],
            "ragged": [list(range(i % 4)) for i in range(500)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    out = convert(
        "tfrecord", tmp_path / "a.parquet", tmp_path / "out", "--compression", compression
    )
    files = [str(p) for p in sorted(out.glob("part-*"))]
    kind = {"none": "", "gzip": "GZIP", "zlib": "ZLIB"}[compression]
    features = {
        "image": tf.io.FixedLenFeature([3], tf.float32),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
        "ragged": tf.io.RaggedFeature(tf.int64),
    }
    batches = tf.data.TFRecordDataset(files, kind).batch(100)
    parsed = [tf.io.parse_example(batch, features) for batch in batches]
    found = {
        name: list(itertools.chain(*(batch[name].numpy().tolist() for batch in parsed)))
        for name in ["image", "label", "name"]
    }
    assert found["image"] == table["image"].to_pylist()
    assert found["label"] == table["label"].to_pylist()
    assert [name.decode() for name in found["name"]] == table["name"].to_pylist()
    ragged = list(itertools.chain(*(batch["ragged"].to_list() for batch in parsed)))
    assert ragged == table["ragged"].to_pylist()


@on_each
def test_sequence_examples_of_tensorflow(convert, tmp_path, tf):
    train = tf.train

    def ints(*values):
        return train.Feature(int64_list=train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for i in range(300):
            frames = [
                train.Feature(float_list=train.FloatList(value=[k / 2] * (k % 3)))
                for k in range(i % 5)
            ]
            lists = {
                "tokens": train.FeatureList(feature=[ints(i + k) for k in range(i % 4)]),
                "frames": train.FeatureList(feature=frames),
            }
            record = train.SequenceExample(
                context=train.Features(feature={"id": ints(i)}),
                feature_lists=train.FeatureLists(feature_list=lists),
            )
            writer.write(record.SerializeToString())
    found = convert.table(tmp_path / "a.tfrecord", tmp_path / "out")
    wanted = pa.table(
        {
            "frames": [[[k / 2] * (k % 3) for k in range(i % 5)] for i in range(300)],
            "id": list(range(300)),
            "tokens": [[[i + k] for k in range(i % 4)] for i in range(300)],
        }
    )
    assert found.to_pydict() == wanted.to_pydict()
    # And back: TensorFlow parses what tfos writes.
    pq.write_table(wanted, tmp_path / "b.parquet")
    flags = ["--write-option", "recordType=SequenceExample"]
    out = convert("tfrecord", tmp_path / "b.parquet", tmp_path / "back", *flags)
    context, sequence = (
        {"id": tf.io.FixedLenFeature([], tf.int64)},
        {
            "tokens": tf.io.RaggedFeature(tf.int64),
            "frames": tf.io.RaggedFeature(tf.float32),
        },
    )
    records = tf.data.TFRecordDataset([str(out / "part-00000.tfrecord")])
    for i, record in enumerate(records):
        one, steps = tf.io.parse_single_sequence_example(record, context, sequence)
        assert int(one["id"]) == i
        assert steps["tokens"].to_list() == wanted["tokens"][i].as_py()
        assert steps["frames"].to_list() == wanted["frames"][i].as_py()
    assert i == 299
