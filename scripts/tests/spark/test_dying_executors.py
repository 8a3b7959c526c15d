"""Executors that come and die: the verdict says why, soon, and does not ask for more workers."""

import pytest
from harness import PROGRAMS, slow

JOB = """\
app: {{python: {{file: {program}, args: [/]}}}}
input_mode: tensorflow
strategy: independent
cluster_size: 2
model_dir: model
timeouts: {{reservation: 120s}}
spark: {{conf: {conf}}}
"""


@pytest.fixture
def run(job):
    """Run a program that ends at once, with settings of Spark."""

    def run(conf, **env):
        path = job.folder / "job.yaml"
        path.write_text(JOB.format(program=PROGRAMS / "until.py", conf=conf))
        result = job.run("train", path, env=env)
        job.assert_clean()
        return result

    return run


CAUSES = {
    "no shuffle service": (
        "{spark.shuffle.service.enabled: true}",
        "Unable to register with external shuffle server due to : Failed to connect to",
        1,
    ),
    "no Java": (
        "{spark.executorEnv.JAVA_HOME: /nope}",
        'Cannot run program "/nope/bin/java"',
        0,
    ),
    "an agent that is not there": (
        "{spark.executor.extraJavaOptions: '-javaagent:/nope.jar'}",
        "exited with code 1: Error opening zip file or JAR manifest missing : /nope.jar",
        1,
    ),
    "out of memory at the start": (
        "{spark.executor.extraJavaOptions: '-XX:MaxMetaspaceSize=12m'}",
        "exited with code 1: java.lang.OutOfMemoryError",
        1,
    ),
    "a host name with an underscore": (
        "{spark.driver.host: my_host, spark.driver.bindAddress: 127.0.0.1}",
        "Invalid Spark URL: spark://CoarseGrainedScheduler@my_host:",
        1,
    ),
    "a library that is not there": (
        "{spark.executor.extraJavaOptions: '-agentlib:nope'}",
        "Could not find agent library nope on the library path",
        1,
    ),
}


# In CI those whose reason Spark knows, and one whose JVM alone does.
IN_CI = ("no shuffle service", "a library that is not there")
CASES = [name if name in IN_CI else slow(name) for name in CAUSES]


@pytest.mark.parametrize("name", CASES)
def test_executors_die(run, name):
    conf, reason, status = CAUSES[name]
    result = run(conf)
    verdict = result.verdict
    assert result.code == 4, result.stderr
    assert verdict["phase"] == "executors"
    assert reason in verdict["cause"]
    assert "executors died before the cluster formed" in verdict["cause"]
    assert "free or add" not in verdict["cause"] + result.stderr
    assert verdict["exit_code"] == status
    assert verdict["host"]
    assert not [line for line in verdict["stderr"] if "\tat " in line]
    if "exited with code" in reason:
        assert reason.partition(": ")[2] in "\n".join(verdict["stderr"])


SITE = """\
# what a site sets for its SQL jobs
spark.dynamicAllocation.enabled  true
spark.shuffle.service.enabled    true
spark.speculation                true
spark.task.cpus                  2
spark.executor.cores             1
spark.cores.max                  1
spark.executor.instances         7
"""


def test_settings_of_the_site(run, job):
    """A job lives with them, and says which it does not take."""
    (job.folder / "conf").mkdir()
    (job.folder / "conf" / "spark-defaults.conf").write_text(SITE)
    result = run("{}", SPARK_CONF_DIR=str(job.folder / "conf"))
    assert result.code == 0, result.stderr
    (warning,) = [line for line in result.stderr.splitlines() if "spark-defaults.conf" in line]
    for name in ("dynamicAllocation.enabled=false", "shuffle.service.enabled=false"):
        assert f"spark.{name} (there: true)" in warning
    assert "spark.task.cpus=1 (there: 2)" in warning
    assert "spark.speculation=false (there: true)" in warning
