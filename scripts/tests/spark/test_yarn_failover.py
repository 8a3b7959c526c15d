"""Jobs on a real YARN with two ResourceManagers, of which ZooKeeper elects the active one."""

import contextlib
import os

import pytest
from real_clusters import (
    Expected,
    Yarn,
    YarnCluster,
    fetch,
    is_active,
    properties,
    resource_managers,
)
from test_clusters import assert_all_rows, ends, job_file, start_busy
from yarn_servers import (
    MANAGER,
    NODE,
    ZOOKEEPER,
    configure,
    free_port,
    node_of_its_own,
    pair_of_managers,
    running_nodes,
    server,
    wait_for,
    zookeeper,
)

pytestmark = [
    pytest.mark.yarn,
    pytest.mark.slow,
    pytest.mark.skipif("TFOS_TEST_YARN_OWN" not in os.environ, reason="copies the cluster"),
]


class Pair:
    """The ResourceManagers a and b beside one node. conf: the configuration of clients."""

    def __init__(self, folder, conf):
        self.conf, self._folder, self._started = conf, folder, 0
        self._webs = resource_managers(properties(conf / "yarn-site.xml"))
        self._live = {}  # id -> (process, what ends it)

    def start(self, one):
        """Start a ResourceManager, and wait until it answers. It is a standby if the other one is
        active."""
        self._started += 1
        conf = configure(
            self._folder / f"conf-{one}{self._started}",
            self.conf,
            {"yarn.resourcemanager.ha.id": one},
        )
        stack = contextlib.ExitStack()
        log = self._folder / f"{one}{self._started}.log"
        self._live[one] = stack.enter_context(server(conf, MANAGER, log)), stack
        wait_for(lambda: fetch(self._webs[one] + "/ws/v1/cluster/info"), f"ResourceManager {one}")

    def active(self):
        """Which one is active. None: neither."""
        return next((one for one, web in self._webs.items() if is_active(web)), None)

    def await_active(self, one):
        """Wait until this one is active, and has the node."""
        wait_for(lambda: self.active() == one, f"active {one}")
        wait_for(lambda: running_nodes(self._webs[one]) == 1, "node")

    def kill(self, one):
        process, stack = self._live.pop(one)
        process.kill()
        process.wait()
        stack.close()

    def fail_over(self):
        """Kill the active one, and wait until the other one has taken over."""
        one = self.active()
        self.kill(one)
        self.await_active(other(one))

    def make_active(self, one):
        """Both live, and this one is active."""
        for dead in self._webs.keys() - self._live.keys():
            self.start(dead)
        if self.active() != one:
            self.fail_over()
            self.start(other(one))

    def close(self):
        for one in list(self._live):
            self._live.pop(one)[1].close()


def other(one):
    return {"a": "b", "b": "a"}[one]


@pytest.fixture(scope="module")
def pair(yarn_conf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    port = free_port()
    changes = {**pair_of_managers(f"localhost:{port}"), **node_of_its_own(folder)}
    conf = configure(folder / "conf", yarn_conf, changes)
    settings = zookeeper(folder / "zk", port)
    pair = Pair(folder, conf)
    with (
        server(conf, ZOOKEEPER, folder / "zk.log", settings),
        contextlib.closing(pair),
        server(conf, NODE, folder / "node.log"),
    ):
        pair.start("a")
        pair.await_active("a")
        yield pair


@pytest.fixture(params=[Yarn, YarnCluster], ids=["client", "cluster"])
def cluster(request, pair, yarn_hdfs, tmp_path, monkeypatch):
    """A cluster whose first ResourceManager is a standby: clients meet it first."""
    monkeypatch.setenv("HADOOP_CONF_DIR", str(pair.conf))
    pair.make_active("b")
    (tmp_path / "none").mkdir()
    return request.param(pair.conf, yarn_hdfs, tmp_path / "none")


def test_failover(pair, cluster, job, write_job):
    """The active ResourceManager is killed in mid-run. The other one takes the application over,
    and the run goes on. All that is asked about the run afterwards is asked of the other one."""
    start_busy(cluster, job, write_job, rows=12_000)
    before = cluster.running(job)
    pair.fail_over()
    assert job.process.poll() is None
    assert cluster.running(job) == before
    ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 12_000)


def test_killed_after_a_failover(pair, cluster, job, write_job):
    """tfos hears of the end from the ResourceManager that is active now."""
    start_busy(cluster, job, write_job)
    pair.fail_over()
    cluster.kill(cluster.running(job))
    ends(cluster, job, cluster.killed_outside)


def test_submitted_without_an_active_one(pair, cluster, job, write_job):
    """A job waits until the standby has taken over."""
    pair.kill("b")
    job.start("train", job_file(cluster, job, write_job, "count.py"))
    ends(cluster, job, Expected(0, ["^$"]))
    assert_all_rows(job, 200)
