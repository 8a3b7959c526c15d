"""An output on an object store that a killed run has begun (make test-stores): its sign makes
each reader fail, of each format."""

import glob
import json
import subprocess

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from harness import TFOS
from pyspark.sql import SparkSession
from remote import STORES
from stalling import DRIVER, Held
from test_stores_killed import run, stored  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.stores, pytest.mark.spark, pytest.mark.leases]

TABLE = pa.table({"id": list(range(100)), "y": [i / 2 for i in range(100)]})
SIGN = "part-0-unfinished"
NAMES = {  # internal/store: TestSignNames has the same
    "parquet": [""],
    "orc": [""],
    "arrow": [""],
    "tfrecord": [""],
    "csv": [".gz", ""],
    "json": [".gz", ""],
}


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    store = STORES["s3"](tmp_path_factory.mktemp("conf"))
    one = Held("s3", store, tmp_path_factory.mktemp("held"))
    yield one
    one.proxy.close()


def write(fmt, path):
    if fmt == "parquet":
        pq.write_table(TABLE, path)
    elif fmt == "orc":
        pa.orc.write_table(TABLE, path)
    elif fmt == "arrow":
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, TABLE.schema) as to:
            to.write(TABLE)
    elif fmt == "csv":
        pa.csv.write_csv(TABLE, path)
    elif fmt == "json":
        with open(path, "w") as file:
            file.writelines(json.dumps(row) + "\n" for row in TABLE.to_pylist())
    else:
        import tensorflow as tf

        with tf.io.TFRecordWriter(path) as to:
            for row in range(100):
                to.write(b"%d" % row)


def every(read, pattern):
    return [read(path) for path in sorted(glob.glob(pattern))]


def python_readers(folder):
    import tensorflow as tf

    def count(records):
        return sum(1 for _ in records)

    each = f"{folder}/*."
    return {
        "parquet": [
            lambda: pq.read_table(folder),
            lambda: pd.read_parquet(folder),
            lambda: ds.dataset(folder, format="parquet").head(5),
            lambda: every(pd.read_parquet, each + "parquet"),
        ],
        "orc": [lambda: ds.dataset(folder, format="orc").to_table()],
        "arrow": [
            lambda: ds.dataset(folder, format="arrow").to_table(),
            lambda: every(lambda p: pa.ipc.open_file(p).read_all(), each + "arrow"),
        ],
        "tfrecord": [lambda: count(tf.data.TFRecordDataset(tf.io.gfile.glob(each + "tfrecord")))],
        "csv": [
            lambda: ds.dataset(folder, format="csv").to_table(),
            lambda: every(pd.read_csv, each + "csv"),
            lambda: every(pa.csv.read_csv, each + "csv"),
            lambda: count(
                tf.data.experimental.make_csv_dataset(each + "csv", 10, num_epochs=1, shuffle=False)
            ),
        ],
        "json": [
            lambda: ds.dataset(folder, format="json").to_table(),
            lambda: every(lambda p: pd.read_json(p, lines=True), each + "json"),
            lambda: every(pa.json.read_json, each + "json"),
        ],
    }


def spark_readers(spark, folder, fmt):
    typed = spark.read.format(fmt).schema("id long, y double")
    paths = [folder, f"{folder}/*.{fmt}"] if fmt != "json" else [folder]
    for path in paths:
        yield lambda path=path: typed.load(path).agg({"y": "sum"}).collect()
        yield lambda path=path: spark.read.format(fmt).load(path).agg({"id": "sum"}).collect()


def test_no_reader_takes_a_part_for_the_whole(stored, job, tmp_path):  # noqa: F811
    """A sign of a real run, beside real files of each format."""
    call = rb"PUT [^ ]*/half/_manifest", False, 1
    stored.kill_at(job, call, lambda: run(job, stored, "half"), DRIVER)
    stored.direct.get("half", tmp_path / "half")
    text = (tmp_path / "half" / f"{SIGN}.parquet").read_bytes()
    argv = [TFOS, "convert", "--to", "csv", f"{stored.direct.url}/half", tmp_path / "rows"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **stored.direct.env}
    done = subprocess.run(list(map(str, argv)), env=env, capture_output=True, text=True)
    assert done.returncode == 6, done.stderr
    assert f"/half: the output is not complete: run {job.run_id} writes it" in done.stderr

    for fmt, ends in NAMES.items():
        (tmp_path / fmt).mkdir()
        for part in range(2):
            write(fmt, str(tmp_path / fmt / f"part-0000{part}-r1.{fmt}"))
        for end in ends:
            (tmp_path / fmt / f"{SIGN}.{fmt}{end}").write_bytes(text)
    for fmt in NAMES:
        readers = python_readers(str(tmp_path / fmt))[fmt]
        for number, read in enumerate(readers):
            assert raises(read), (fmt, number)
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = spark.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    for fmt in ("parquet", "orc", "csv", "json"):
        for number, read in enumerate(spark_readers(spark, str(tmp_path / fmt), fmt)):
            assert raises(read), (fmt, number)
    for fmt, ends in NAMES.items():  # it is the sign that they fail at
        for end in ends:
            (tmp_path / fmt / f"{SIGN}.{fmt}{end}").unlink()
        for read in python_readers(str(tmp_path / fmt))[fmt]:
            read()
    spark.stop()


def raises(read):
    try:
        read()
    except Exception:
        return True
    return False
