"""What the driver decides before Spark is there (tfos.start)."""

import json
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import SparkConf
from tfos.start import JAVA_CONF, LIGHT_JAVA, no_context, prepare

SCRIPTS = pathlib.Path(__file__).parents[1]
MEMBERS = {"reserve": {"members": [{}, {}]}, "task_cpus": 1}


def feed(path, read_by):
    wanted = {"name": "train", "format": "parquet", "path": str(path), "options": {}}
    return {**wanted, "columns": ["x"], "read_by": read_by}


@pytest.fixture
def data(tmp_path):
    pq.write_table(pa.table({"x": [1, 2, 3]}), tmp_path / "a.parquet")
    return tmp_path


@pytest.fixture
def conf():
    """spark-submit's settings; no JVM is asked."""
    return SparkConf(loadDefaults=False, _jvm=None).set("spark.executor.cores", "2")


def test_executors_through_which_no_rows_pass_are_light(node_binary, data, conf):
    conf.set(JAVA_CONF, "-Dx=y")
    plan = {**MEMBERS, "node_binary": node_binary, "feeds": [feed(data, "auto")]}
    sources = prepare(plan, conf)
    assert not sources["train"].by_spark
    assert conf.get(JAVA_CONF) == f"{LIGHT_JAVA} -Dx=y"  # theirs comes last and wins


def test_job_without_feeds_is_light(conf):
    assert prepare({**MEMBERS, "node_binary": None}, conf) == {}
    assert conf.get(JAVA_CONF) == LIGHT_JAVA


def test_executors_of_what_spark_reads_are_not_light(node_binary, data, conf):
    plan = {**MEMBERS, "node_binary": node_binary}
    for read_by, path in [("spark", data), ("auto", data / "nothing")]:
        sources = prepare({**plan, "feeds": [feed(path, read_by)]}, conf)
        assert sources["train"].by_spark
        assert conf.get(JAVA_CONF) is None
    assert prepare({**plan, "feeds": [], "predict": feed(data, "spark")}, conf) == {}
    assert conf.get(JAVA_CONF) is None


def test_planning_that_fails_is_for_the_run_to_tell(data, conf, tmp_path):
    """Spark's start is not to blame."""
    plan = {**MEMBERS, "node_binary": tmp_path / "none", "feeds": [feed(data, "auto")]}
    (source,) = prepare(plan, conf).values()
    with pytest.raises(FileNotFoundError):
        source.find(None, None)


class Thrown:
    """A Java exception as py4j shows it."""

    def __init__(self, name, message, cause=None):
        self.toString = lambda: f"{name}: {message}" if message else name
        self.getMessage = lambda: message
        self.getCause = lambda: cause


@pytest.mark.parametrize(
    ("thrown", "want"),
    [
        (
            Thrown("x.SparkException", "Plugin", Thrown("java.lang.ClassNotFoundException", "a.B")),
            "java.lang.ClassNotFoundException: a.B (Plugin): correct the class's name in "
            "spark.conf, or add its jar (spark.jars)",
        ),
        (
            Thrown("java.nio.channels.UnresolvedAddressException", None),
            "java.nio.channels.UnresolvedAddressException: check that spark.driver.host (h_1) and "
            "spark.driver.bindAddress are names or addresses of this machine",
        ),
        (
            Thrown("java.io.FileNotFoundException", "/x/y (Permission denied)"),
            "java.io.FileNotFoundException: /x/y (Permission denied): give the user of this run "
            "the permission, or name another path",
        ),
        (
            Thrown(
                "java.net.BindException", "Address already in use: Service 'sparkDriver' failed!"
            ),
            "java.net.BindException: Address already in use: Service 'sparkDriver' failed!: free "
            "the port, or correct spark.driver.port, spark.driver.bindAddress or SPARK_LOCAL_IP",
        ),
        (
            Thrown("x.SparkException", "jar", Thrown("java.net.UnknownHostException", "h")),
            "java.net.UnknownHostException: h (jar): check that host's name, spark.driver.host, "
            "SPARK_LOCAL_IP and /etc/hosts",
        ),
        (
            Thrown("java.io.FileNotFoundException", "File file:/x does not exist"),
            "java.io.FileNotFoundException: File file:/x does not exist: make the file or folder, "
            "or correct its path in spark.conf",
        ),
        (
            Thrown("java.lang.IllegalArgumentException", "a must be b.\nand more"),
            "java.lang.IllegalArgumentException: a must be b: correct this setting in spark.conf "
            "of the job file or in spark-defaults.conf",
        ),
    ],
)
def test_verdict_without_a_context(conf, thrown, want):
    err = Exception("An error occurred while calling None.JavaSparkContext")
    err.java_exception = thrown
    verdict = no_context(err, conf.set("spark.driver.host", "h_1"))
    assert (verdict["code"], verdict["phase"]) == (3, "submit")
    assert verdict["cause"] == "the SparkContext could not start: " + want


@pytest.mark.parametrize("plan", [{"version": 1}, {}])
def test_a_plan_of_another_version_is_refused(tmp_path, plan):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    command = [sys.executable, "-c", "from tfos import start; start.main()", path]
    pipe = subprocess.PIPE  # its end is that of the JVM
    with subprocess.Popen(command, cwd=SCRIPTS, stdin=pipe, stdout=pipe, text=True) as driver:
        events = [json.loads(line.removeprefix("@tfos ")) for line in driver.stdout]
        code = driver.wait(timeout=600)
    assert [event["event"] for event in events] == ["driver", "verdict"]
    assert (code, events[1]["code"], events[1]["phase"]) == (1, 2, "submit")
    version = plan.get("version")
    assert f"the plan has version {version}, and this driver reads version 2" in events[1]["cause"]
