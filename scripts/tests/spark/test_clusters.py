"""The conformance suite of cluster managers: each cluster of clusters.py passes all of it.

Each way to end a run has its exit code and its cause, and nothing is left in the cluster.
"""

import json
import os
import re
import signal

import pytest
from clusters import Expected, Standalone
from harness import received, write_rows


@pytest.fixture(scope="session", params=["standalone"])
def cluster(request):
    return request.getfixturevalue(f"{request.param}_cluster")


@pytest.fixture(scope="session")
def standalone_cluster(standalone, standalone_folder):
    log = (standalone_folder / "master.log").read_text()
    (port,) = re.findall(r"Bound MasterWebUI to .* started at http://\S+:(\d+)", log)
    return Standalone(standalone, f"http://127.0.0.1:{port}")


@pytest.fixture
def write(cluster, job, write_job):
    """(program, rows, args, conf, **more) -> a job file of two members on the cluster."""

    def make(program, rows=200, conf=None, spark=None, more="", **settings):
        data = write_rows(job.folder / "data", rows, files=2)
        spark = json.dumps(spark or cluster.spark(**(conf or {})))
        model = cluster.place(job.folder / "model")
        given = {"spark": spark, "model_dir": model, "more": more, **settings}
        return write_job(program, cluster.place(data), **given)

    return make


@pytest.fixture
def busy(cluster, job, write):
    """A job whose two workers are reading rows slowly."""
    job.start("train", write("count.py", 20_000, args="{sleep: 0.2}"), env=cluster.env)
    job.wait_for(lambda: len(received(job.folder / "model")) == 2, what="both programs")
    job.wait_for(lambda: all(received(job.folder / "model").values()), what="rows")
    return job


def ends(cluster, job, expected, timeout=90):
    expected.check(job.wait(timeout))
    job.assert_clean()
    cluster.assert_clean()


def test_succeeds(cluster, job, write):
    job.start("train", write("count.py"), env=cluster.env)
    ends(cluster, job, Expected(0, ["^$"]))
    rows = received(job.folder / "model").values()
    assert sorted(i for part in rows for i in part) == list(range(200))


def test_program_raises(cluster, job, write):
    job.start("train", write("fail.py", args="{when: mid_run}"), env=cluster.env)
    ends(cluster, job, Expected(5, ["ValueError"]))


def test_too_few_slots(cluster, job, write):
    path = write("count.py", members=cluster.crowd, more="timeouts: {reservation: 24s}")
    job.start("train", path, env=cluster.env)
    ends(cluster, job, cluster.no_room)


def test_out_of_memory(cluster, job, write):
    job.start("train", write("hog.py", args=cluster.hog_args), env=cluster.env)
    ends(cluster, job, cluster.out_of_memory)


def test_driver_killed(cluster, busy):
    os.kill(cluster.driver(busy), signal.SIGKILL)
    ends(cluster, busy, cluster.driver_killed)


def test_killed_from_outside(cluster, busy):
    cluster.kill(cluster.running())
    ends(cluster, busy, cluster.killed_outside)


def test_launcher_killed(cluster, busy):
    busy.process.kill()
    busy.process.wait()
    busy.err.close()
    busy.assert_clean()
    cluster.assert_clean()


def test_no_archive(cluster, job, write):
    path = write("count.py", conf={"spark.archives": str(job.folder / "no-such-archive.tar.gz")})
    job.start("train", path, env=cluster.env)
    ends(cluster, job, cluster.no_archive)


def test_unreachable(cluster, job, write):
    job.start("train", write("count.py", spark=cluster.unreachable), env=cluster.env)
    ends(cluster, job, Expected(3, ["unreachable"]), timeout=60)
