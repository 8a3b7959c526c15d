"""The conformance suite of cluster managers: each cluster of clusters.py passes all of it.

Each way to end a run has its exit code and its cause, and nothing is left in the cluster.
"""

import os
import re
import signal
import time

import pytest
from harness import received
from real_clusters import (
    Expected,
    Standalone,
    Yarn,
    YarnCluster,
    assert_all_rows,
    ends,
    job_file,
    start_busy,
)


def yarn(name):
    return pytest.param(name, marks=pytest.mark.yarn)


def k8s(name):
    return pytest.param(name, marks=pytest.mark.k8s)


CLIENT = ["standalone_cluster", yarn("yarn_client"), k8s("k8s_client")]
CLUSTER = [yarn("yarn_cluster"), k8s("k8s_cluster")]


@pytest.fixture(params=CLIENT + CLUSTER)
def cluster(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=CLUSTER)
def surviving(request):
    """A cluster in which runs go on without their launcher."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def standalone_cluster(standalone, standalone_folder):
    log = (standalone_folder / "master.log").read_text()
    (port,) = re.findall(r"Bound MasterWebUI to .* started at http://\S+:(\d+)", log)
    return Standalone(standalone, f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def yarn_client(tmp_path_factory):
    return Yarn(os.environ["TFOS_TEST_YARN"], tmp_path_factory.mktemp("no-yarn"))


@pytest.fixture(scope="session")
def yarn_cluster(tmp_path_factory):
    return YarnCluster(os.environ["TFOS_TEST_YARN"], tmp_path_factory.mktemp("no-yarn"))


def test_succeeds(cluster, job, write_job):
    job.start("train", job_file(cluster, job, write_job, "count.py"))
    ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 200)


def test_program_raises(cluster, job, write_job):
    job.start("train", job_file(cluster, job, write_job, "fail.py", args={"when": "mid_run"}))
    ends(cluster, job, Expected(5, ["ValueError"]))


def test_too_few_slots(cluster, job, write_job):
    more = (
        f"timeouts: {{reservation: 40s}}\nresources: {{worker: {{memory: {cluster.crowd_memory}}}}}"
    )
    path = job_file(cluster, job, write_job, "count.py", members=cluster.crowd, more=more)
    path.write_text(path.read_text().replace("resources: {worker: {memory: 1g}}\n", "", 1))
    job.start("train", path)
    ends(cluster, job, cluster.no_room)


def test_out_of_memory(cluster, job, write_job):
    job.start("train", job_file(cluster, job, write_job, "hog.py", args=cluster.hog_args))
    ends(cluster, job, cluster.out_of_memory)


def test_driver_killed(cluster, job, write_job):
    start_busy(cluster, job, write_job)
    os.kill(cluster.driver(job), signal.SIGKILL)
    ends(cluster, job, cluster.driver_killed)


def test_killed_from_outside(cluster, job, write_job):
    start_busy(cluster, job, write_job)
    cluster.kill(cluster.running(job))
    ends(cluster, job, cluster.killed_outside)


def test_launcher_killed(cluster, job, write_job):
    """Where the driver is the launcher's child, the run ends with it. Otherwise it goes on, and
    a launcher that comes later reports its end."""
    start_busy(cluster, job, write_job, rows=2000)
    job.process.kill()
    job.process.wait()
    job.err.close()
    if cluster.survives:
        job.start_command("attach", job.run_id)
        ends(cluster, job, Expected(0, ["^$"]))
        assert_all_rows(job, 2000)
    else:
        job.assert_clean()
        cluster.assert_clean(job)


def test_no_archive(cluster, job, write_job):
    conf = {"spark.archives": str(job.folder / "no-such-archive.tar.gz")}
    job.start("train", job_file(cluster, job, write_job, "count.py", conf=conf))
    ends(cluster, job, cluster.no_archive)


def test_unreachable(cluster, job, write_job):
    path = job_file(cluster, job, write_job, "count.py", spark=cluster.unreachable)
    job.start("train", path, env=cluster.unreachable_env)
    ends(cluster, job, Expected(3, ["unreachable"]))


def test_attach_shows_the_state(surviving, job, write_job):
    """Within 2 s. Ctrl-C leaves the run alone, and --run-id adopts it."""
    path = start_busy(surviving, job, write_job, rows=4000)
    job.process.send_signal(signal.SIGKILL)
    job.process.wait()
    began = time.monotonic()
    job.start_command("attach", job.run_id)
    job.wait_for(lambda: "cluster formed" in (job.folder / "stderr.txt").read_text(), what="state")
    assert time.monotonic() - began < 2
    assert f"{surviving.running(job)}: running" in (job.folder / "stderr.txt").read_text()
    job.process.send_signal(signal.SIGINT)
    left = job.wait(20)
    assert left.code == 130, left.stderr
    assert left.verdict["phase"] == "detached"
    job.start("train", path)
    result = ends(surviving, job, Expected(0, ["^$"]))
    assert "goes on: record" in result.stderr
    assert_all_rows(job, 4000)
    # A run that has ended: its report again, and no second run of this name.
    again = job.start_command("attach", job.run_id).wait(20)
    assert again.code == 0, again.stderr
    assert again.verdict["rows"]["read"] == 4000
    assert job.start("train", path).wait(60).code == 2


def test_interrupt_stops_the_run(cluster, job, write_job):
    start_busy(cluster, job, write_job)
    job.process.send_signal(signal.SIGINT)
    ends(cluster, job, Expected(130, ["SIGINT"]), timeout=60)


@pytest.mark.yarn
def test_a_second_driver_is_refused(yarn_cluster, job, write_job):
    """Also where YARN is told to start one."""
    conf = {"spark.yarn.maxAppAttempts": "2"}
    path = job_file(yarn_cluster, job, write_job, "count.py", 20_000, conf, args={"sleep": 0.2})
    job.start("train", path)
    job.wait_for(lambda: all(received(job.folder / "model").values() or [0]), what="rows")
    os.kill(yarn_cluster.driver(job), signal.SIGKILL)
    ends(yarn_cluster, job, yarn_cluster.driver_killed)
    assert sum(map(len, received(job.folder / "model").values())) < 20_000
