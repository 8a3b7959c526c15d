"""Jobs on a real Kubernetes with real pods (make test-k8s). What is the same on all clusters is
in test_clusters.py."""

import json
import signal
import time
import uuid

import kubernetes
import pytest
from harness import PROGRAMS, ROOT, TFOS, received
from real_clusters import Expected, assert_all_rows, ends, has_ended, job_file, start_busy

pytestmark = pytest.mark.k8s


@pytest.fixture(params=["k8s_client", "k8s_cluster"])
def cluster(request):
    return request.getfixturevalue(request.param)


def test_image_missing(cluster, job, write_job):
    """Said by name, long before timeouts.reservation, also where only executors wait for it."""
    conf = {
        f"spark.kubernetes.{where}container.image": "docker.io/tfos/nope:1"
        for where in ([""] if cluster.survives else ["executor."])
    }
    conf["spark.kubernetes.container.image.pullPolicy"] = "Never"
    more = "timeouts: {reservation: 600s}"
    begin = time.monotonic()
    job.start("train", job_file(cluster, job, write_job, "count.py", conf=conf, more=more))
    image = ["image or archive cannot be had", "docker.io/tfos/nope:1", "ErrImageNeverPull"]
    ends(cluster, job, Expected(4, image))
    assert time.monotonic() - begin < 200  # 15 s on an idle machine


def test_no_room(k8s_client, job, write_job):
    """The scheduler's words."""
    more = "timeouts: {reservation: 40s}"
    path = job_file(k8s_client, job, write_job, "count.py", more=more)
    path.write_text(path.read_text().replace("memory: 1g", "memory: 900g"))
    job.start("train", path)
    result = ends(k8s_client, job, Expected(4, ["Insufficient memory"]))
    assert "0/1 nodes are available" in result.stderr


@pytest.mark.parametrize(
    ("conf", "cause"),
    [
        (
            {"spark.kubernetes.authenticate.executor.serviceAccountName": "nobody"},
            'serviceaccount "nobody" not found',
        ),
        ({"spark.kubernetes.namespace": "nowhere"}, "in namespace nowhere"),
    ],
)
def test_refused_before_spark(k8s_client, job, write_job, conf, cause):
    job.start("train", job_file(k8s_client, job, write_job, "count.py", conf=conf))
    result = ends(k8s_client, job, Expected(3, [cause]))
    assert result.verdict["phase"] == "preflight"


def test_no_rights(k8s_client, namespace, job, write_job):
    """Each right that lacks is named, and where all are."""
    path = job_file(k8s_client, job, write_job, "count.py")
    login = namespace.login("default", job.folder / "kubeconfig")
    job.start("train", path, env={"KUBECONFIG": str(login)})
    ends(k8s_client, job, Expected(3, ["may not create pods, list pods", "rbac.yaml"]))


@pytest.fixture
def launcher(namespace, job):
    """(job file, folder that pods see) -> starts `tfos train` in the pod of
    configs/kubernetes/launcher.yaml. Returns its phase, asked for anew at each call."""
    name = f"launcher-{uuid.uuid4().hex[:8]}"
    manifest = kubernetes.CONFIGS / "launcher.yaml"
    pod = json.loads(namespace.kubectl("create", "--dry-run=client", "-o", "json", "-f", manifest))

    def start(path, shared):
        folders = {**namespace.image_folders()}
        folders |= {str(own): str(own) for own in (ROOT / "bin", PROGRAMS, shared)}
        (container,) = pod["spec"]["containers"]
        container |= {
            "image": namespace.conf["spark.kubernetes.container.image"],
            "imagePullPolicy": "IfNotPresent",
            "command": [str(TFOS), "train", str(path), "--run-id", job.run_id],
            "volumeMounts": [
                {"name": f"folder{i}", "mountPath": inside} for i, inside in enumerate(folders)
            ],
        }
        pod["spec"]["volumes"] = [
            {"name": f"folder{i}", "hostPath": {"path": outside}}
            for i, outside in enumerate(folders.values())
        ]
        namespace.apply(**pod | {"metadata": {"name": name}})
        return phase

    def phase():
        return json.loads(namespace.kubectl("get", "pod", name, "-o", "json"))["status"]["phase"]

    start.name = name
    yield start
    namespace.delete("pod", name, "--ignore-not-found")


def wait_until(condition, what, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {seconds} s"
        time.sleep(0.2)


def test_launcher_in_a_pod(cluster, namespace, launcher, job, write_job):
    """With the credentials of its service account, and without a kubeconfig."""
    phase = launcher(job_file(cluster, job, write_job, "count.py"), cluster.shared)
    wait_until(lambda: phase() in ("Succeeded", "Failed"), "end")
    log = namespace.kubectl("logs", launcher.name)
    assert phase() == "Succeeded", log
    assert_all_rows(job, 200)
    namespace.delete("pod", launcher.name)
    cluster.assert_clean(job)


def test_launcher_pod_deleted(k8s_client, namespace, launcher, job, write_job):
    """Executors and their settings belong to the pod of their driver, and go with it."""
    path = job_file(k8s_client, job, write_job, "count.py", 20_000, args={"sleep": 0.2})
    launcher(path, k8s_client.shared)
    wait_until(lambda: len(received(job.folder / "model")) == 2, "programs")
    namespace.delete("pod", launcher.name, "--grace-period=0", "--force")
    k8s_client.assert_clean(job)


def test_a_copy_of_the_driver_is_refused(k8s_cluster, namespace, job, write_job):
    """As a controller makes one. The run goes on."""
    start_busy(k8s_cluster, job, write_job, rows=100_000)
    (driver,) = namespace.pods("spark-role=driver")
    name = driver["metadata"]["name"] + "-again"
    spec = {key: value for key, value in driver["spec"].items() if key != "nodeName"}
    labels = driver["metadata"]["labels"]
    namespace.apply(
        apiVersion="v1", kind="Pod", metadata={"name": name, "labels": labels}, spec=spec
    )

    def again():
        return next(pod for pod in namespace.pods() if pod["metadata"]["name"] == name)

    job.wait_for(lambda: has_ended(again()), what="the end of the second driver")
    assert again()["status"]["phase"] == "Failed"
    before = sum(map(len, received(job.folder / "model").values()))
    job.wait_for(
        lambda: sum(map(len, received(job.folder / "model").values())) > before, what="rows"
    )
    job.process.send_signal(signal.SIGINT)
    ends(k8s_cluster, job, Expected(130, ["SIGINT"]), timeout=60)
