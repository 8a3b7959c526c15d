"""Jobs on a real YARN whose nodes have labels."""

import getpass
import json
import os
import urllib.parse

import pytest
from real_clusters import Expected, fetch
from test_clusters import assert_all_rows, ends, job_file
from yarn_servers import (
    NODE,
    configure,
    node_of_its_own,
    running_nodes,
    server,
    wait_for,
)

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
