"""What Spark is given in the place of a path, without Spark."""

import types

import pytest
from tfos import paths


class Hadoop:
    """Of a SparkSession what paths asks: its file system, and what a pattern matches there."""

    def __init__(self, default="file:///", matches=()):
        statuses = [types.SimpleNamespace(getPath=lambda one=one: Path(one)) for one in matches]
        system = types.SimpleNamespace(globStatus=lambda path: statuses)
        hadoop = types.SimpleNamespace(get=lambda name: default)
        context = types.SimpleNamespace(hadoopConfiguration=lambda: hadoop)
        self.sparkContext = types.SimpleNamespace(_jsc=context)
        made = types.SimpleNamespace(getFileSystem=lambda conf: system)
        package = types.SimpleNamespace(Path=lambda text: made)
        self._jvm = types.SimpleNamespace(
            org=types.SimpleNamespace(
                apache=types.SimpleNamespace(hadoop=types.SimpleNamespace(fs=package))
            )
        )


class Path:
    def __init__(self, text):
        self.toString = lambda: text


def feed(path, kind="csv", **options):
    return {"path": str(path), "format": kind, "options": options}


@pytest.fixture
def tree(tmp_path):
    for name in ("a[1].csv", "a1.csv", "s/b.csv", "_quarantine/c.csv", "days/day=1/d.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("v\n1\n")
    return tmp_path


def test_paths_on_this_machine(node_binary, tree):
    def find(path, *more, **options):
        found = paths.find(Hadoop(), feed(f"{tree}/{path}", *more, **options), node_binary)
        return [one.replace(f"{tree}/", "") for one in found.paths], found.flat

    assert find("*.csv") == (["a1.csv", r"a\[1\].csv"], True)
    assert find("a[1].csv") == ([r"a\[1\].csv"], True)
    assert find("**/*.csv") == (["a1.csv", r"a\[1\].csv", "days/day=1/d.csv", "s/b.csv"], True)
    assert find("_quarantine/*") == (["_quarantine/c.csv"], True)
    assert find("days") == (["days"], False)
    assert find("days/*") == (["days/day=1"], True)
    assert find("days/*/*", basePath=f"{tree}/days") == (["days/day=1/d.csv"], False)
    assert find("days/*", recursiveFileLookup="true") == (["days/day=1"], False)
    assert find("nothing-that-exists", "delta") == (["nothing-that-exists"], False)
    with pytest.raises(paths.PathError, match="no such file"):
        find("nothing-that-exists")
    with pytest.raises(paths.PathError, match="no data files"):
        find("nothing*")
    with pytest.raises(paths.PathError, match="is in no folder of column day"):
        find("{s,days}")  # Spark would leave s/b.csv out


def test_patterns_elsewhere():
    matches = ["hdfs://h/d/a/x.csv", "hdfs://h/d/_quarantine/x.csv", "hdfs://h/d/.b/x.csv"]
    spark = Hadoop("hdfs://h", [*matches, "hdfs://h/d/_c=1/x.csv"])
    want = ["hdfs://h/d/a/x.csv", "hdfs://h/d/_c=1/x.csv"]
    assert paths.find(spark, feed("/d/*/x.csv"), None) == (want, None)
    assert paths.find(spark, feed("hdfs://h/d/*/x.csv", "delta"), None) == (want, False)
    plain = Hadoop("hdfs://h", ["hdfs://h/d/a.csv"])
    assert paths.find(plain, feed("/d/*.csv"), None) == (["/d/*.csv"], None)
    assert paths.find(plain, feed("/d/a.csv"), None) == (["/d/a.csv"], None)
    asked = Hadoop("hdfs://h", ["hdfs://h/d/_q/a.csv"])
    assert paths.find(asked, feed("/d/_*/a.csv"), None) == (["/d/_*/a.csv"], None)
    with pytest.raises(paths.PathError, match="hidden names only"):
        paths.find(asked, feed("/d/*/a.csv"), None)
    with pytest.raises(paths.PathError, match=r"have no \*\*"):
        paths.find(spark, feed("/d/**/x.csv"), None)
