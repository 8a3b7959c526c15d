"""A namespace of a real Kubernetes (make test-k8s), and jobs in it."""

import json
import os
import pathlib
import re
import subprocess
import uuid

import pytest
from harness import ROOT

KINDS = "pods,configmaps,services,persistentvolumeclaims"
CONFIGS = ROOT / "configs" / "kubernetes"


def required(variable):
    """What scripts/k8s.sh sets."""
    if value := os.environ.get(variable):
        return value
    if "k8s" in os.environ.get("TFOS_REQUIRE", ""):
        pytest.fail(f"{variable} is not set: run make test-k8s")
    pytest.skip(f"SKIPPED: {variable} is not set: run make test-k8s")


def opened(folder):
    """A folder to which pods may write: their user is another than the tests'."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


class Namespace:
    """One namespace, and the credentials that configs/kubernetes/rbac.yaml gives a user."""

    def __init__(self, folder):
        self._admin = required("KUBECONFIG")
        conf = pathlib.Path(required("TFOS_TEST_K8S_CONF")).read_text().splitlines()
        self.conf = dict(line.split(None, 1) for line in conf if line.strip())
        self.name = f"tfos-test-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", self.name)
        self.kubectl("apply", "-f", CONFIGS / "rbac.yaml")
        self._own = self.objects()
        cluster = json.loads(self.kubectl("config", "view", "--minify", "--flatten", "-o", "json"))
        self.server = cluster["clusters"][0]["cluster"]["server"]
        self.master = f"k8s://{self.server}"
        self._cluster = cluster
        self.kubeconfig = folder / "kubeconfig"
        self.login("tfos", self.kubeconfig)

    def login(self, account, path):
        """Write a kubeconfig of a service account."""
        token = self.kubectl("create", "token", account).strip()
        user = {"name": account, "user": {"token": token}}
        context = {"cluster": self._cluster["clusters"][0]["name"], "user": account}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": self._cluster["clusters"],
                    "users": [user],
                    "contexts": [{"name": "test", "context": context}],
                }
            )
        )
        return path

    def kubectl(self, *argv, text=None):
        command = ["kubectl", "--kubeconfig", self._admin, "-n", self.name, *map(str, argv)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def apply(self, **manifest):
        self.kubectl("apply", "-f", "-", text=json.dumps(manifest))

    def quota(self, name, **hard):
        self.apply(
            apiVersion="v1",
            kind="ResourceQuota",
            metadata={"name": name},
            spec={"hard": hard},
        )

    def delete(self, *what):
        self.kubectl("delete", *what, "--wait=false")

    def objects(self):
        """What Spark makes, by kind and name."""
        return set(self.kubectl("get", KINDS, "-o", "name").split())

    def left(self):
        """What jobs have left."""
        return self.objects() - self._own - {"configmap/kube-root-ca.crt"}

    def pods(self, label=""):
        return json.loads(self.kubectl("get", "pods", "-l", label, "-o", "json"))["items"]

    def settings(self, *folders, **more):
        """spark.conf of a job whose driver and executors see these folders of this machine."""
        conf = {
            **self.conf,
            "spark.kubernetes.namespace": self.name,
            "spark.kubernetes.authenticate.driver.serviceAccountName": "tfos",
            "spark.pyspark.python": "/opt/venv/bin/python",  # the image's, not PYSPARK_PYTHON
            "spark.kubernetes.executor.request.cores": "0.1",  # the node has two
            "spark.kubernetes.driver.request.cores": "0.1",
        }
        for folder in folders:
            opened(folder)
        for role in ("driver", "executor"):
            for i, folder in enumerate(folders):
                volume = f"spark.kubernetes.{role}.volumes.hostPath.test{i}"
                conf[f"{volume}.mount.path"] = conf[f"{volume}.options.path"] = str(folder)
        return {**conf, **more}

    def image_folders(self):
        """Folders of the image that are this machine's (scripts/k8s/image.py): path in the pod ->
        path of this machine."""
        volume = re.compile(r"(spark\.kubernetes\.executor\.volumes\.hostPath\.\w+)\.mount\.path")
        return {
            inside: self.conf[found[1] + ".options.path"]
            for name, inside in self.conf.items()
            if (found := volume.fullmatch(name))
        }

    def driver_settings(self, folder):
        """More settings of a job whose driver is in a pod."""
        return {
            "spark.kubernetes.file.upload.path": f"file://{opened(folder / 'uploads')}",
            "spark.driver.memory": "512m",
        }

    def close(self):
        self.kubectl("delete", "namespace", self.name, "--wait=false")
