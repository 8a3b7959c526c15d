"""Jobs on a real Kubernetes with real pods (make test-k8s).

The driver is beside the launcher, and of some tests in a pod.
"""

import json
import os
import signal
import time

import pytest
from harness import PROGRAMS, received, write_rows
from kubernetes import Namespace

pytestmark = pytest.mark.k8s

PYTHON = "/opt/venv/bin/python"  # of configs/kubernetes/Containerfile
CLEAN_SECONDS = 30  # until deleted pods are gone


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    one = Namespace(tmp_path_factory.mktemp("k8s"))
    yield one
    one.close()


@pytest.fixture
def submit(job, namespace):
    """(command, settings of spark.conf, keys of the job file) -> the job, started."""

    def start(command, conf=None, spark=None, **keys):
        settings = {**namespace.settings(job.folder), **(conf or {})}
        settings = {name: value for name, value in settings.items() if value is not None}
        keys = {"spark": {"master": namespace.master, "conf": settings, **(spark or {})}, **keys}
        path = job.folder / "job.yaml"
        path.write_text(json.dumps(keys))
        env = {"KUBECONFIG": str(namespace.kubeconfig)}
        return job.start(command, path, env=env)

    return start


def training(job, program, data=None, **keys):
    """Keys of a training job whose two members write into job.folder/model."""
    for name in ("model", "work"):
        folder = job.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # the image's user is another than the test's
    python = {"file": str(PROGRAMS / program), "function": "main_fun", "interpreter": PYTHON}
    python["args"] = keys.pop("args", {})
    return {
        "app": {"python": python},
        "strategy": "independent",
        "cluster_size": 2,
        "input": {
            "path": str(data or write_rows(job.folder / "data", 400, files=2)),
            "format": "parquet",
        },
        "batch_size": 32,
        "model_dir": str(job.folder / "model"),
        "resources": {"worker": {"memory": "1g"}},
        "timeouts": {"reservation": "60s"},
        **keys,
    }


def assert_nothing_left(job, namespace):
    """No process here, and no pod and no configuration of a pod in the namespace."""
    job.assert_clean()
    deadline = time.monotonic() + CLEAN_SECONDS
    while left := [pod["metadata"]["name"] for pod in namespace.pods()]:
        assert time.monotonic() < deadline, f"left after {CLEAN_SECONDS} s: {left}"
        time.sleep(0.5)


def test_train(job, namespace, submit):
    """A Python program that Spark feeds, in two pods."""
    result = submit("train", **training(job, "count.py")).wait()
    assert result.code == 0, result.stderr
    rows = received(job.folder / "model")
    assert sorted(i for ids in rows.values() for i in ids) == list(range(400))
    assert_nothing_left(job, namespace)


def test_program_raises(job, namespace, submit):
    result = submit("train", **training(job, "fail.py", args={"when": "at_once"})).wait()
    assert result.code == 5, result.stderr
    assert result.verdict["member"].startswith("worker:"), result.verdict
    assert "raised at once" in result.verdict["cause"], result.verdict
    assert_nothing_left(job, namespace)


def test_image_missing(job, namespace, submit):
    """Refused by name, long before timeouts.reservation."""
    conf = {
        "spark.kubernetes.container.image": "docker.io/tfos/nope:1",
        "spark.kubernetes.container.image.pullPolicy": "Never",
    }
    begin = time.monotonic()
    keys = training(job, "count.py", timeouts={"reservation": "600s"})
    result = submit("train", conf, **keys).wait()
    assert time.monotonic() - begin < 120  # 15 s on an idle machine
    assert result.code == 4, result.stderr
    assert "docker.io/tfos/nope:1" in result.verdict["cause"], result.verdict
    assert "ErrImageNeverPull" in result.verdict["cause"], result.verdict
    assert_nothing_left(job, namespace)


def test_no_room(job, namespace, submit):
    """The scheduler's words."""
    keys = training(job, "count.py", timeouts={"reservation": "60s"})
    keys["resources"] = {"worker": {"memory": "900g"}}
    result = submit("train", **keys).wait()
    assert result.code == 4, result.stderr
    assert "Insufficient memory" in result.verdict["cause"], result.verdict
    assert "0/1 nodes are available" in result.stderr
    assert_nothing_left(job, namespace)


def test_service_account_missing(job, namespace, submit):
    """Found before Spark is started."""
    conf = {"spark.kubernetes.authenticate.executor.serviceAccountName": "nobody"}
    result = submit("train", conf, **training(job, "count.py")).wait()
    assert result.code == 3, result.stderr
    assert 'serviceaccount "nobody" not found' in result.verdict["cause"], result.verdict
    assert result.verdict["phase"] == "preflight"


def test_namespace_missing(job, namespace, submit):
    conf = {"spark.kubernetes.namespace": "nowhere"}
    result = submit("train", conf, **training(job, "count.py")).wait()
    assert result.code == 3, result.stderr
    assert "in namespace nowhere" in result.verdict["cause"], result.verdict


def test_no_rights(job, namespace, submit):
    """Each right that lacks is named, and where all are."""
    namespace.login("default", namespace.kubeconfig)
    try:
        result = submit("train", **training(job, "count.py")).wait()
    finally:
        namespace.login("tfos", namespace.kubeconfig)
    assert result.code == 3, result.stderr
    assert "may not create pods, list pods" in result.verdict["cause"], result.verdict
    assert "rbac.yaml" in result.verdict["cause"]


def test_quota(job, namespace, submit):
    """Room for one executor only: the API server's words, as a warning and in the verdict."""
    namespace.apply(
        apiVersion="v1",
        kind="ResourceQuota",
        metadata={"name": "small"},
        spec={"hard": {"pods": "1"}},
    )
    try:
        keys = training(job, "count.py", timeouts={"reservation": "90s"})
        result = submit("train", **keys).wait()
    finally:
        namespace.kubectl("delete", "resourcequota", "small")
    assert result.code == 4, result.stderr
    assert "exceeded quota: small" in result.verdict["cause"], result.verdict
    assert_nothing_left(job, namespace)


def running(job, namespace, submit, **keys):
    """A job whose two programs have rows."""
    data = write_rows(job.folder / "data", 100_000, files=2)
    submit("train", **training(job, "count.py", data, args={"sleep": 0.2}, **keys))
    job.wait_for(lambda: len(received(job.folder / "model")) == 2, what="both programs")
    job.wait_for(lambda: all(received(job.folder / "model").values()), what="rows")
    return job


def test_executor_pod_deleted(job, namespace, submit):
    running(job, namespace, submit)
    pod = namespace.pods()[0]["metadata"]["name"]
    namespace.kubectl("delete", "pod", pod, "--wait=false")
    result = job.wait(timeout=60)
    assert result.code == 5, result.stderr
    assert result.verdict["member"].startswith("worker:"), result.verdict
    assert_nothing_left(job, namespace)


def test_launcher_killed(job, namespace, submit):
    """Pods go too."""
    running(job, namespace, submit)
    job.process.kill()
    job.process.wait()
    job.err.close()
    assert_nothing_left(job, namespace)


def test_interrupted(job, namespace, submit):
    running(job, namespace, submit)
    os.kill(job.process.pid, signal.SIGINT)
    result = job.wait(timeout=60)
    assert result.code == 130, result.stderr
    assert_nothing_left(job, namespace)


def in_a_pod(job):
    """(settings, spark section) of a job whose driver is in a pod. Both write into a shared
    folder, as one user, because only its owner reads a record."""
    for name in ("uploads", "records"):
        (job.folder / name).mkdir()
    template = job.folder / "driver.yaml"
    container = "{name: spark-kubernetes-driver}"
    template.write_text(f"spec: {{securityContext: {{runAsUser: 0}}, containers: [{container}]}}\n")
    conf = {
        "spark.kubernetes.file.upload.path": f"file://{job.folder}/uploads",
        "spark.kubernetes.driver.podTemplateFile": str(template),
        "spark.driver.memory": "512m",
    }
    return conf, {"deploy_mode": "cluster", "record_dir": str(job.folder / "records")}


def of_shared_folder(keys):
    """The job with a path that Spark takes for this machine's."""
    keys["input"]["path"] = "file:" + keys["input"]["path"]
    return keys


def test_cluster_mode(job, namespace, submit):
    conf, spark = in_a_pod(job)
    result = submit("train", conf, spark, **of_shared_folder(training(job, "count.py"))).wait()
    assert result.code == 0, result.stderr
    rows = received(job.folder / "model")
    assert sorted(i for ids in rows.values() for i in ids) == list(range(400))
    namespace.kubectl("delete", "pods", "-l", "spark-role=driver")  # Spark leaves it
    assert_nothing_left(job, namespace)


def test_cluster_mode_driver_pod_deleted(job, namespace, submit):
    """spark-submit says 0 for this."""
    conf, spark = in_a_pod(job)
    data = write_rows(job.folder / "data", 100_000, files=2)
    keys = training(job, "count.py", data, args={"sleep": 0.2})
    submit("train", conf, spark, **of_shared_folder(keys))
    job.wait_for(lambda: all(received(job.folder / "model").values() or [0]), what="rows")
    namespace.kubectl("delete", "pods", "-l", "spark-role=driver", "--wait=false")
    result = job.wait(timeout=90)
    assert result.code == 143, result.stderr
    assert "was deleted" in result.verdict["cause"], result.verdict
    assert_nothing_left(job, namespace)
