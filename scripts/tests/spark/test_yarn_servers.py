"""Jobs on a real YARN that changes: nodes with labels, and a ResourceManager that dies."""

import getpass
import json
import os
import subprocess
import urllib.parse

import pytest
from real_clusters import Expected, Yarn, YarnCluster, fetch
from test_clusters import assert_all_rows, ends, job_file, start_busy
from yarn_servers import (
    ADMIN,
    MANAGER,
    NODE,
    configure,
    free_port,
    java,
    node_of_its_own,
    running_nodes,
    server,
    wait_for,
)

RECOVERY = "yarn.server.resourcemanager.recovery"

pytestmark = [
    pytest.mark.yarn,
    pytest.mark.slow,
    pytest.mark.skipif("TFOS_TEST_YARN_OWN" not in os.environ, reason="changes the cluster"),
]


@pytest.fixture(scope="module")
def blue(yarn_client, yarn_conf, tmp_path_factory):
    """HOST:PORT of the pages of a second node, the only one with the label blue."""
    folder = tmp_path_factory.mktemp("node")
    changes = node_of_its_own(folder)
    conf = configure(folder / "conf", yarn_conf, changes)
    web = yarn_client.web

    def post(path, body=None, **query):
        query = urllib.parse.urlencode({"user.name": getpass.getuser(), **query})
        data = json.dumps(body).encode()
        fetch(f"{web}/ws/v1/cluster/{path}?{query}", data, "POST", "application/json")

    with server(conf, NODE, folder / "node.log"):
        wait_for(lambda: running_nodes(web) == 2, "second node")
        post("add-node-labels", {"nodeLabelInfo": [{"name": "blue", "exclusivity": "true"}]})
        node = changes["yarn.nodemanager.address"]
        post(f"nodes/{node}/replace-labels", labels="blue")
        yield changes["yarn.nodemanager.webapp.address"]
    wait_for(lambda: running_nodes(web) == 1, "end of the second node")


@pytest.fixture(params=["yarn_client", "yarn_cluster"])
def cluster(request):
    return request.getfixturevalue(request.param)


def test_node_label(cluster, blue, job, write_job):
    """Executors are on the nodes with the label."""
    conf = {"spark.yarn.executor.nodeLabelExpression": "blue"}
    job.start("train", job_file(cluster, job, write_job, "count.py", conf=conf))
    result = ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 200)
    pages = [urllib.parse.urlsplit(log["path"]).netloc for log in result.verdict["logs"]]
    assert pages == [blue, blue]


@pytest.mark.parametrize("of", ["executor", "am"])
def test_no_such_label(cluster, job, write_job, of):
    conf = {f"spark.yarn.{of}.nodeLabelExpression": "green"}
    job.start("train", job_file(cluster, job, write_job, "count.py", conf=conf))
    ends(cluster, job, Expected(3, ["green"]))


@pytest.fixture(params=[Yarn, YarnCluster], ids=["client", "cluster"])
def pair(request, yarn_conf, yarn_hdfs, tmp_path, monkeypatch):
    """(a cluster with two ResourceManagers, a function that kills the active one). An
    administrator makes the other one active: without ZooKeeper nobody else does."""
    own = "yarn.resourcemanager."
    names = ["address", "scheduler.address", "resource-tracker.address", "admin.address"]
    names.append("webapp.address")
    changes = {
        **{own + name: None for name in [*names, "hostname"]},
        **{f"{own}{name}.{i}": f"localhost:{free_port()}" for name in names for i in ("a", "b")},
        own + "ha.enabled": "true",
        own + "ha.automatic-failover.enabled": "false",
        own + "ha.rm-ids": "a,b",
        own + "cluster-id": "pair",
        own + "recovery.enabled": "true",
        own + "store.class": f"org.apache.hadoop.{RECOVERY}.FileSystemRMStateStore",
        own + "fs.state-store.uri": f"file://{tmp_path}/state",
        "yarn.node-labels.enabled": "false",
        **node_of_its_own(tmp_path),
    }
    confs = {
        i: configure(tmp_path / f"conf-{i}", yarn_conf, {**changes, own + "ha.id": i})
        for i in ("a", "b")
    }
    conf = configure(tmp_path / "conf", yarn_conf, changes)
    web = {i: "http://" + changes[f"{own}webapp.address.{i}"] for i in confs}

    def activate(one):
        argv = java(conf, ADMIN, "-transitionToActive", one)
        wait_for(lambda: subprocess.run(argv, capture_output=True).returncode == 0, "active")
        wait_for(lambda: running_nodes(web[one]) == 1, "node")

    monkeypatch.setenv("HADOOP_CONF_DIR", str(conf))
    (tmp_path / "none").mkdir()
    with (
        server(confs["a"], MANAGER, tmp_path / "a.log") as first,
        server(confs["b"], MANAGER, tmp_path / "b.log"),
        server(conf, NODE, tmp_path / "node.log"),
    ):
        activate("a")
        cluster = request.param(conf, yarn_hdfs, tmp_path / "none", ".a")

        def fail_over():
            first.kill()
            first.wait()
            activate("b")
            cluster.web = web["b"]

        yield cluster, fail_over


def test_failover(pair, job, write_job):
    """The active ResourceManager is killed in mid-run. The other one takes the application
    over, and the run goes on."""
    cluster, fail_over = pair
    start_busy(cluster, job, write_job, rows=12_000)
    fail_over()
    assert job.process.poll() is None
    assert cluster.running(job)
    ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 12_000)


def test_stopped_after_a_failover(pair, job, write_job):
    """tfos asks the ResourceManager that is active now."""
    cluster, fail_over = pair
    start_busy(cluster, job, write_job)
    fail_over()
    cluster.kill(cluster.running(job))
    ends(cluster, job, cluster.killed_outside)
