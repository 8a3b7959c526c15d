"""What a path names, and which columns its folders have: for Spark and for tfos the same."""

import itertools
import os
import subprocess

import pyarrow as pa
import pytest
from converter import Converter
from harness import PYTHON
from tfos import inputs, paths

ZONE = "Europe/Berlin"
TREE = (
    *(
        "a.csv",
        "b.csv",
        "a1.csv",
        "a[1].csv",
        "{z}.csv",
        "x y.csv",
        "p%20q.csv",
        "c,d.csv",
        "ä.csv",
    ),
    *(
        "s/c.csv",
        "s/t/d.csv",
        "s/t/u/e.csv",
        "t[2]/f.csv",
        "star*.csv",
        "q^r.csv",
        "back\\slash.csv",
    ),
    *(".hid/g.csv", "_quarantine/h.csv", ".ipynb_checkpoints/i.csv", "s/_q/j.csv", "s/.k.csv"),
    *("_l.csv", "s/t/.ipynb_checkpoints/m.csv", "half.csv._COPYING_"),
)
PATTERNS = (
    *(
        "",
        "*",
        "*.csv",
        "**",
        "**/*.csv",
        "*/*",
        "*/*.csv",
        "*/*/*.csv",
        "**/d.csv",
        "s/**",
        "s/**/*.csv",
    ),
    *(
        "{a,b}.csv",
        "{a,s/c}.csv",
        "{s/t,a}*",
        "{s,s/t}",
        "{a,{b,nothing}}.csv",
        "a[1].csv",
        r"a\[1\].csv",
    ),
    *(
        "[ab].csv",
        "[!a].csv",
        "[^a].csv",
        "[a-b].csv",
        "?.csv",
        "x y.csv",
        "x*",
        "p%20q.csv",
        "{z}.csv",
    ),
    *(
        "c,d.csv",
        "ä.csv",
        "t[2]/*.csv",
        "star*.csv",
        "q^r.csv",
        r"back\\slash.csv",
        "s/",
        "s//t",
        "./a.csv",
    ),
    *(
        "_quarantine/*.csv",
        "_*/*.csv",
        "_quarantine",
        ".hid/*",
        "**/_q/*.csv",
        "{_quarantine,s}/*.csv",
    ),
)
# What Hadoop's patterns and ours say alike, without what only tfos passes over.
HADOOPS = (
    *(
        "{a,b}.csv",
        "{a,s/c}.csv",
        r"a\[1\].csv",
        "[ab].csv",
        "[!a].csv",
        "[^a].csv",
        "?.csv",
        "*.csv",
    ),
    *("x*", "_quarantine/*.csv", "_*/*.csv", r"star\*.csv", "*/*.csv", "*/*/*.csv", "s/*", "s"),
)


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", False)
        .config("spark.sql.session.timeZone", ZONE)
        .config("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED")  # the year 1
        .config("spark.local.dir", str(folder))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.pyspark.python", str(PYTHON))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def convert():
    before = os.environ.get("TZ")
    os.environ["TZ"] = ZONE
    yield Converter()
    del os.environ["TZ"]
    if before is not None:
        os.environ["TZ"] = before


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    for name in TREE:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'v\n"{name}"\n')
    return folder


def feed(path, **options):
    return {
        "path": str(path),
        "format": "csv",
        "options": {"header": "true", "escape": "\\", **options},
    }


def by_spark(spark, node_binary, path, **options):
    return inputs.load(spark, feed(path, **options), node_binary)


def by_tfos(convert, path, out, *flags):
    """The rows as pyarrow reads them."""
    return convert.table(path, out, "--from", "csv", "--read-option", "header=true", *flags)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(spark, node_binary, convert, tree, tmp_path, pattern):
    """Spark reads what tfos reads, and all of it is there."""
    path = f"{tree}/{pattern}"
    ours = sorted(by_tfos(convert, path, tmp_path / "out")["v"].to_pylist())
    # Spark's CSV takes a backslash for an escape.
    unquoted = [row.v.replace("\\", "") for row in by_spark(spark, node_binary, path).collect()]
    assert sorted(unquoted) == sorted(name.replace("\\", "") for name in ours)
    assert ours


@pytest.mark.parametrize("pattern", HADOOPS)
def test_hadoops_own_patterns(spark, convert, tree, tmp_path, pattern):
    """Where Hadoop matches, on a cluster's file system, it finds what tfos finds here."""
    ours = sorted(by_tfos(convert, f"{tree}/{pattern}", tmp_path / "out")["v"].to_pylist())
    frame = by_spark(spark, None, f"file:{tree}/{pattern}")
    assert sorted(row.v for row in frame.collect()) == ours


def test_hadoop_has_no_double_star(spark):
    with pytest.raises(paths.PathError, match=r"have no \*\*"):
        paths.find(spark, feed("hdfs://host/data/**/x.csv"), None)
    with (
        pytest.raises(inputs.InputError, match=r"input.path: hdfs:.*have no") as err,
        inputs.reading(),
    ):
        inputs.load(spark, feed("hdfs://host/data/**/x.csv"), None)
    assert err.value.code == 2


VALUES = (
    *(
        "1",
        "01",
        "+1",
        "-5",
        "-0",
        "1_0",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
    ),
    *(
        "1e3",
        "1.",
        "1.5e1",
        "9" * 38,
        "1" + "0" * 38,
        "1.5",
        "1.0",
        ".5",
        "1d",
        "1f",
        "1L",
        "NaN",
        "nan",
    ),
    *(
        "-Infinity",
        "inf",
        "0x1p3",
        " 1",
        "1 ",
        "1e400",
        "1e-400",
        "2024-01-02",
        "0001-01-01",
        "2024-1-2",
    ),
    *(
        "2024-01",
        "2024-13-01",
        "2024-01-32",
        "2024-01-02T",
        "2024-01-02 10%3A11%3A12",
        "2024-07-02 10:11:12",
    ),
    *(
        "2024-01-02 10%3A11%3A12.5",
        "2024-01-02 10%3A11%3A12.25",
        "2024-01-02 10%3A11",
        "abc",
        "a%20b",
        "a+b",
    ),
    *("a%", "a%zz", "%C3%A4", "ä", "true", "null", "a=b", "12%33", "%201"),
)
MIXED = (
    "1",
    "3000000000",
    "1" + "0" * 20,
    "1e3",
    "1.5",
    "2024-01-02",
    "2024-01-02 10%3A11%3A12",
    "abc",
)
MIXED += ("__HIVE_DEFAULT_PARTITION__",)
COLUMNS = [(value,) for value in VALUES] + list(itertools.combinations(MIXED, 2))


def test_types_of_folders(spark, convert, tmp_path):
    """Every value alone, and every two kinds of values together."""
    wrong = []
    for number, values in enumerate(COLUMNS):
        folder = tmp_path / str(number)
        for value in values:
            path = folder / f"c={value}" / "a.csv"
            path.parent.mkdir(parents=True)
            path.write_text("v\n1\n")
        frame = spark.read.option("header", True).csv(str(folder))
        theirs = frame.schema["c"].dataType.simpleString()
        texts = sorted(str(row.c) for row in frame.selectExpr("cast(c as string) c").collect())
        # What tfos writes of it Spark reads back: the same type, the same value.
        out = tmp_path / f"parquet{number}"
        convert("parquet", folder, out, "--from", "csv", "--read-option", "header=true")
        back = spark.read.parquet(str(out))
        ours = back.schema["c"].dataType.simpleString()
        have = sorted(str(row.c) for row in back.selectExpr("cast(c as string) c").collect())
        if (ours, have) != (theirs, texts):
            wrong.append((values, theirs, texts, ours, have))
    assert not wrong


LAYOUTS = {
    "below": ["day=1/s/a.csv", "day=2/b.csv"],
    "above": ["s/day=1/a.csv", "s/day=2/b.csv"],
    "two": ["a=1/b=x/a.csv", "a=2/b=y/b.csv"],
    "middle": ["a=1/s/b=2/x.csv"],
    "escapes": ["a%20b=c%2Fd/a.csv"],
    "hidden": ["a=1/_x/a.csv", "a=1/.y/b.csv", "a=2/c.csv", "_b/d.csv"],
    "underscore": ["_a=1/a.csv"],
    "in the file too": ["v=7/a.csv"],
    "and in capitals": ["V=7/a.csv"],
    "twice above": ["s/day=1/a.csv", "t/day=2/b.csv"],
    "other columns": ["day=1/a.csv", "month=2/b.csv"],
    "other depth": ["day=1/a.csv", "day=2/h=3/b.csv"],
    "twice": ["a=1/a=2/a.csv"],
    "no value": ["a=/a.csv"],
    "no name": ["=1/a.csv"],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(spark, node_binary, convert, tmp_path, name):
    """The same columns in the same order and the same rows, or an error from both."""
    for number, file in enumerate(LAYOUTS[name]):
        path = tmp_path / "in" / file
        path.parent.mkdir(parents=True)
        path.write_text(f"v,w\n{number},x\n")
    for number, below in enumerate(["", "/*", "/*/*"]):
        check_layout(
            spark, node_binary, convert, f"{tmp_path}/in{below}", tmp_path / f"out{number}"
        )


def check_layout(spark, node_binary, convert, source, out):
    command = [convert.binary, "convert", "--to", "arrow", "--from", "csv", source, out]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        columns = spark.read.option("header", True).csv(source).columns  # what Spark alone finds
        frame = by_spark(spark, node_binary, source)
        rows = sorted(tuple(map(str, row)) for row in frame.collect())
    except Exception:
        assert done.returncode == 2, (source, done.stderr)
        return
    assert done.returncode == 0, (source, done.stderr)
    with pa.OSFile(str(out / "part-00000.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.column_names == frame.columns == columns, source
    assert sorted(tuple(map(str, row.values())) for row in table.to_pylist()) == rows, source


def test_a_file_beside_folders_of_columns(spark, node_binary, convert, tmp_path):
    """Spark alone would leave its rows out without a word."""
    for file in ("a.csv", "day=1/b.csv"):
        path = tmp_path / "in" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("v\n1\n")
    assert spark.read.option("header", True).csv(f"{tmp_path}/in").count() == 1
    with (
        pytest.raises(inputs.InputError, match=r"a\.csv is in no folder of column day"),
        inputs.reading(),
    ):
        by_spark(spark, node_binary, tmp_path / "in")
    command = [
        convert.binary,
        "convert",
        "--to",
        "csv",
        "--from",
        "csv",
        f"{tmp_path}/in",
        f"{tmp_path}/out",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "a.csv is in no folder of column day" in done.stderr
    assert by_spark(spark, node_binary, tmp_path / "in", recursiveFileLookup="true").count() == 2
