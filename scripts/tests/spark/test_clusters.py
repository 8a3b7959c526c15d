"""The conformance suite of cluster managers: each cluster of clusters.py passes all of it.

Each way to end a run has its exit code and its cause, and nothing is left in the cluster.
"""

import json
import os
import re
import signal
import time

import graph_models as models
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import received
from real_clusters import Expected, Standalone, assert_all_rows, ends, job_file, start_busy
from tfos.graph import export_training


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


def test_succeeds(cluster, job, write_job):
    job.start("train", job_file(cluster, job, write_job, "count.py"))
    ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 200)


@pytest.fixture(scope="session")
def perceptron(tmp_path_factory):
    """A folder with a graph program and its rows: graph, rows."""
    folder = tmp_path_factory.mktemp("perceptron")
    model, arguments = models.perceptron()
    export_training(model, path=str(folder / "graph"), **arguments)
    for part in range(2):
        batches = models.batches(8, models.classes, seed=part)
        models.write(folder / "rows" / f"{part}.parquet", batches)
    return folder


def files_job(cluster, job, **keys):
    """A job file of two members that read files and have no program in Python."""
    path = job.folder / "job.yaml"
    keys = {"cluster_size": 2, "resources": {"worker": {"memory": "1g"}}, **keys}
    path.write_text(json.dumps({**keys, "spark": cluster.spark()}))
    return path


def test_export_and_inference(cluster, job, perceptron):
    """A graph program is trained and exported, and its export predicts. Everything lies where
    the cluster sees it, and the reports are the same on each."""
    rows, count = cluster.put(perceptron / "rows", job.folder), 16 * models.ROWS
    at = cluster.model_dir(job.folder)
    path = files_job(
        cluster,
        job,
        app={"graph": {"path": cluster.put(perceptron / "graph", job.folder)}},
        strategy="all_reduce",
        input={"path": rows},
        batch_size=models.ROWS,
        model_dir=at,
        export_dir=at + "-export",
    )
    job.start("train", path)
    trained = ends(cluster, job, Expected(0, ["^$"])).verdict
    assert trained["kind"] == "train" and 0 < trained["train"]["steps"] <= 8, trained
    assert trained["rows"]["read"] == count and not trained["stderr"]
    saved = {one["kind"]: one["path"] for one in trained["artifacts"]}
    last = f"{at}/ckpt-{trained['train']['steps']}"
    assert saved == {"saved_model": at + "-export", "checkpoint": last}
    job.run_id += "-infer"
    output = {"path": at + "-predictions"}
    path = files_job(
        cluster, job, export_dir=at + "-export", input={"path": rows}, keep=["y"], output=output
    )
    job.start("infer", path)
    predicted = ends(cluster, job, Expected(0, ["^$"])).verdict
    assert predicted["kind"] == "infer" and predicted["infer"]["read"] == count, predicted
    assert predicted["artifacts"] == [{"kind": "predictions", **output}]
    got = pq.read_table(cluster.get(output["path"], job.folder))
    assert got.num_rows == count and set(got.column_names) > {"y"}
    # Work that is done already is refused before anything is submitted.
    job.run_id += "-again"
    done = job.start("infer", path).wait(60)
    assert done.code == 7, done.stderr
    cluster.assert_clean(job)


@pytest.mark.slow
def test_inference_of_bad_rows(cluster, job, perceptron):
    """What an executor finds in the rows is the run's end, and no output is left."""
    folder = perceptron / "bad"
    table = pq.read_table(perceptron / "rows" / "0.parquet")
    x = table["x"].to_pylist()
    x[100] = None
    folder.mkdir(exist_ok=True)
    column = pa.array(x, table["x"].type)
    pq.write_table(table.set_column(0, "x", column), folder / "bad.parquet")
    at = cluster.model_dir(job.folder)
    path = files_job(
        cluster,
        job,
        export_dir=cluster.put(perceptron / "graph", job.folder),
        input={"path": cluster.put(folder, job.folder)},
        output={"path": at + "-predictions"},
    )
    job.start("infer", path)
    ends(cluster, job, Expected(6, ["bad.parquet", "x"]))


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
    result = ends(cluster, job, cluster.driver_killed)
    assert result.verdict["stderr"], result.verdict  # also of a driver whose container is gone


def test_killed_from_outside(cluster, job, write_job):
    start_busy(cluster, job, write_job)
    cluster.kill(cluster.running(job))
    ends(cluster, job, cluster.killed_outside)


def kill_launcher(job):
    job.process.kill()
    job.process.wait()
    job.err.close()


def test_launcher_killed(cluster, job, write_job):
    """Where the driver is the launcher's child, the run ends with it. Otherwise it goes on, and
    a launcher that comes later reports its end."""
    start_busy(cluster, job, write_job, rows=2000)
    kill_launcher(job)
    if cluster.survives:
        job.start_command("attach", job.run_id)
        ends(cluster, job, Expected(0, ["^$"]))
        assert_all_rows(job, 2000)
    else:
        job.assert_clean()
        cluster.assert_clean(job)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [None, 0, 3], ids=["recorded", "submitting", "submitting-3s"])
def test_launcher_killed_before_the_driver(surviving, job, write_job, seconds):
    """The next launcher of the run follows it or submits it: there is one application."""
    path = job_file(surviving, job, write_job, "count.py")
    job.start("train", path)
    if seconds is None:
        said = job.folder / "stderr.txt"
        job.wait_for(lambda: f"run {job.run_id}" in said.read_text(), what="record")
    else:
        job.wait_for(lambda: job.processes("SparkSubmit"), what="spark-submit")
        time.sleep(seconds)
    kill_launcher(job)
    job.start("train", path)
    result = ends(surviving, job, Expected(0, ["^$"]))
    told = ("goes on: record", "is looked for in the cluster")
    assert any(text in result.stderr for text in told), result.stderr
    assert_all_rows(job, 200)
    assert len(surviving.applications(job)) <= 1  # of Kubernetes none is left


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
