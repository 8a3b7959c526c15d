"""Jobs on a real Kubernetes with real pods (make test-k8s)."""

import json

import pytest
from harness import PROGRAMS, accuracy, received, write_rows
from kubernetes import Namespace

pytestmark = pytest.mark.k8s


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    one = Namespace(tmp_path_factory.mktemp("k8s"))
    yield one
    one.close()


@pytest.fixture
def submit(job, namespace):
    """(command, keys of the job file, spark.conf) -> the job, started on the cluster."""

    def start(command, conf=None, spark=None, **keys):
        settings = {**namespace.settings(job.folder), **(conf or {})}
        keys = {"spark": {"master": namespace.master, "conf": settings, **(spark or {})}, **keys}
        path = job.folder / "job.yaml"
        path.write_text(json.dumps(keys))
        return job.start(command, path, env={"KUBECONFIG": str(namespace.kubeconfig)})

    return start


def counting(job, data, args=None, **more):
    """Keys of a training job of two members that write which rows they got."""
    return {
        "app": {
            "python": {
                "file": str(PROGRAMS / "count.py"),
                "function": "main_fun",
                "args": args or {},
                "interpreter": "/opt/venv/bin/python",
            }
        },
        "strategy": "independent",
        "cluster_size": 2,
        "input": {"path": str(data), "format": "parquet"},
        "batch_size": 32,
        "model_dir": str(job.folder / "model"),
        "resources": {"worker": {"memory": "1g"}},
        **more,
    }


def assert_nothing_left(job, namespace):
    job.assert_clean()
    assert [pod["metadata"]["name"] for pod in namespace.pods()] == []


def test_train(job, namespace, submit):
    """A Python program that Spark feeds, in two pods."""
    data = write_rows(job.folder / "data", 400, files=2)
    (job.folder / "model").mkdir(mode=0o777)
    (job.folder / "model").chmod(0o777)
    result = submit("train", **counting(job, data)).wait()
    assert result.code == 0, result.stderr
    rows = received(job.folder / "model")
    assert sorted(sum(rows.values(), [])) == list(range(400))
    assert_nothing_left(job, namespace)
