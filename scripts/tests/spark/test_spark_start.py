"""A Spark application that does not start: the cause is the innermost reason, without traces."""

import contextlib
import json
import socket

import pytest
from harness import PROGRAMS, slow

JOB = """\
app: {{python: {{file: {program}, args: [/]}}}}
input_mode: tensorflow
model_dir: model
timeouts: {{reservation: 120s}}
spark: {{master: '{master}', conf: {conf}}}
"""


@pytest.fixture
def run(job):
    def run(conf, master="local[1]", **env):
        path = job.folder / "job.yaml"
        text = JOB.format(program=PROGRAMS / "until.py", master=master, conf=json.dumps(conf))
        path.write_text(text)
        result = job.run("train", path, env=env)
        job.assert_clean()
        return result

    return run


HDFS = "hdfs://no.such.host.invalid/x.jar"
LOG = {"spark.eventLog.enabled": "true"}
FRACTION = {"spark.memory.fraction": "abc"}
PACKAGE = {
    "spark.jars.packages": "no.such:thing:1",
    "spark.jars.repositories": "http://127.0.0.1:1/",
}
CAUSES = {
    "the driver's host is unknown": (
        {"spark.driver.host": "no.such.host.invalid"},
        ["UnresolvedAddressException", "spark.driver.host (no.such.host.invalid)"],
    ),
    "an address of another machine": (
        {"spark.driver.bindAddress": "203.0.113.9"},
        ["java.net.BindException: Cannot assign requested address", "SPARK_LOCAL_IP"],
    ),
    "a plugin's class is missing": (
        {"spark.plugins": "no.such.Plugin"},
        ["java.lang.ClassNotFoundException: no.such.Plugin", "spark.jars"],
    ),
    "a listener's class is missing": (
        {"spark.extraListeners": "no.such.Listener"},
        ["java.lang.ClassNotFoundException: no.such.Listener"],
    ),
    "settings that contradict": (
        {"spark.executor.heartbeatInterval": "10m"},
        ["must be greater than the value of spark.executor.heartbeatInterval=600000ms: correct"],
    ),
    "a setting of the wrong type": (FRACTION, ["spark.memory.fraction", "abc"]),
    "no folder for the event log": (
        {**LOG, "spark.eventLog.dir": "file:/no/such/folder"},
        ["java.io.FileNotFoundException: File file:/no/such/folder does not exist"],
    ),
    "no permission for the event log": (
        {**LOG, "spark.eventLog.dir": "file:/sys"},
        ["/sys/", "(Permission denied)", "give the user of this run the permission"],
    ),
    "a jar on an unknown host": ({"spark.jars": HDFS}, ["UnknownHostException", "no.such.host"]),
    "a file that is not there": ({"spark.files": "/no/such/file"}, ["/no/such/file"]),
    "too little memory": ({"spark.driver.memory": "100m"}, ["must be at least"]),
    "options that Java does not know": (
        {"spark.driver.extraJavaOptions": "-agentlib:nope"},
        ["Could not find agent library nope"],
    ),
    "a package that nobody has": (PACKAGE, ["no.such#thing;1: not found"]),
}


# In CI one of a JVM that does not start, one of a submission, one of a SparkContext.
IN_CI = (
    "the driver's host is unknown",
    "options that Java does not know",
    "a package that nobody has",
)
CASES = [name if name in IN_CI else slow(name) for name in CAUSES]


@pytest.mark.parametrize("name", CASES)
def test_spark_does_not_start(run, name):
    conf, parts = CAUSES[name]
    assert_cause(run(conf), parts)


@pytest.mark.slow
def test_port_is_taken(run):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        result = run(
            {
                "spark.driver.port": str(port),
                "spark.port.maxRetries": "0",
                "spark.driver.bindAddress": "127.0.0.1",
            }
        )
    assert_cause(result, ["java.net.BindException: Address already in use", str(port)])


def test_yarn_without_its_settings(run):
    """Said before Spark starts: there is no log."""
    result = run({}, master="yarn")
    assert result.code == 3, result.stderr
    assert "neither HADOOP_CONF_DIR nor YARN_CONF_DIR is set" in result.verdict["cause"]
    assert result.verdict["log_path"] == ""


@pytest.mark.slow
def test_kubernetes_on_an_unknown_host(run):
    """Said before Spark starts."""
    conf = {"spark.kubernetes.container.image": "x"}
    result = run(conf, master="k8s://https://no.such.host.invalid:6443")
    assert result.code == 3, result.stderr
    assert "no.such.host.invalid" in result.verdict["cause"]
    assert result.verdict["log_path"] == ""


def test_another_java(run, job):
    """A Java that is too old says so on standard error and ends, before there is a log."""
    java = job.folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    error = "java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been"
    java.write_text(
        "#!/bin/sh\n"
        "echo 'Error: LinkageError occurred while loading main class x.Main' >&2\n"
        f"echo '\t{error} compiled by a more recent version' >&2\n"
        "exit 1\n"
    )
    java.chmod(0o755)
    result = run({}, JAVA_HOME=str(job.folder / "java"))
    assert result.code == 3, result.stderr
    assert error in result.verdict["cause"]


def assert_cause(result, parts):
    assert result.code == 3, result.stderr
    verdict = result.verdict
    for part in parts:
        assert part in verdict["cause"]
    assert "\n" not in verdict["cause"] and "py4j" not in verdict["cause"]
    assert not [line for line in verdict["stderr"] if line.lstrip().startswith("at ")]
    assert verdict["log_path"].endswith("spark.log")
