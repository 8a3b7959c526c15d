"""model_dir on a store where members share no folder: hosts with networks and files of their own
(make test-stores)."""

import json
import urllib.parse

import hosts
import pytest
from harness import PROGRAMS
from remote import STORES, write_site

pytestmark = [pytest.mark.stores, pytest.mark.spark]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """(a cluster of three hosts, the store as they see it)"""
    hosts.require()
    store = STORES["s3"](tmp_path_factory.mktemp("conf"))
    with hosts.Cluster(tmp_path_factory.mktemp("h"), 3) as made:
        at = urllib.parse.urlsplit(store.endpoint)
        with hosts.Relay(made.address, at.port):
            endpoint = f"{at.scheme}://{made.address}:{at.port}"
            store.settings["fs.s3a.endpoint"] = endpoint
            conf = tmp_path_factory.mktemp("conf")
            store.env = {"HADOOP_CONF_DIR": str(write_site(conf, store.settings))}
            store.env |= {"SPARK_LOCAL_IP": made.address}
            yield made, store


def train(job, cluster, name, attempt, options):
    """A run with a parameter server, a chief and a worker, each on a host of its own."""
    made, store = cluster
    args = {"attempt": attempt, "options": options}
    program = {"file": str(PROGRAMS / "ps_checkpoints.py"), "function": "main_fun", "args": args}
    (job.folder / "none.txt").touch()
    keys = {
        "app": {"python": program},
        "strategy": "parameter_server",
        "cluster_size": 3,
        "num_ps": 1,
        "chief": True,
        "input_mode": "tensorflow",
        "input": {"path": "none.txt"},
        "model_dir": f"{store.url}/{name}",
        "resources": {role: {"memory": "1g"} for role in ("ps", "chief", "worker")},
        "spark": {"master": made.url},
    }
    path = job.folder / "job.yaml"
    path.write_text(json.dumps(keys))
    job.run_id = f"{job.run_id[:30]}-{attempt}"
    return job.run("train", path, env=store.env)


def test_parameter_server_saves_on_the_chief(job, cluster, tmp_path):
    """With experimental_io_device checkpoints reach the store, and the next run, whose members
    have other folders, goes on from them."""
    _, store = cluster
    first = train(job, cluster, "chief", "a", "chief")
    assert first.code == 0, first.stderr
    second = train(job, cluster, "chief", "b", "chief")
    assert second.code == 0, second.stderr
    found = store.get("chief", tmp_path / "got")
    told = [json.loads((found / f"run-{attempt}.json").read_text()) for attempt in "ab"]
    assert told == [
        {"first": 0, "step": 5, "total": 15},
        {"first": 5, "step": 10, "total": 55},
    ]
    # Without it the parameter server looks for the chief's folder.
    restored = train(job, cluster, "chief", "c", "")
    assert restored.code == 5, restored.stderr
    assert "experimental_io_device" in restored.verdict["cause"], restored.verdict


def test_a_parameter_server_that_saves_is_named(job, cluster):
    done = train(job, cluster, "ps", "a", "")
    assert done.code == 5, done.stderr
    assert "experimental_io_device" in done.verdict["cause"], done.verdict
