"""Spark's own client of Kubernetes reads kubeconfigs as internal/kube does: both are compared with
internal/kube/testdata/kubeconfigs/read.json."""

import base64
import json
import os
import pathlib

import pytest
from harness import ROOT
from pyspark.java_gateway import launch_gateway

FOLDER = ROOT / "internal" / "kube" / "testdata" / "kubeconfigs"
EXPECTED = json.loads((FOLDER / "read.json").read_text())
PLUGINS = ["aws", "aws-iam-authenticator", "gke-gcloud-auth-plugin", "kubelogin", "doctl"]
PLUGINS += ["rancher", "tsh"]


@pytest.fixture(scope="module")
def jvm(tmp_path_factory):
    """A JVM with Spark's classes, and with the plugins on its PATH."""
    folder = tmp_path_factory.mktemp("plugins")
    for name in PLUGINS:
        (folder / name).symlink_to(FOLDER / "plugin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        patch.delenv("AWS_PROFILE", raising=False)
        gateway = launch_gateway()
    yield gateway.jvm
    gateway.shutdown()
    gateway.proc.stdin.close()  # it ends with its input
    gateway.proc.wait(30)


@pytest.mark.parametrize("name", EXPECTED)
def test_spark_reads_as_tfos(jvm, tmp_path, name):
    data = base64.b64encode(b"a certificate").decode()
    text = (FOLDER / name).read_text()
    for placeholder in ("AUTHORITY", "CERTIFICATE", "KEY"):
        text = text.replace(placeholder, data)
    path = pathlib.Path(tmp_path / "config")
    path.write_text(text)
    jvm.java.lang.System.setProperty("kubeconfig", str(path))
    read = jvm.io.fabric8.kubernetes.client.Config.autoConfigure(None)
    want = EXPECTED[name]
    assert (read.getAutoOAuthToken() or "") == want.get("token", "")
    certificate = read.getClientCertData() or read.getClientCertFile()
    assert bool(certificate) == want.get("certificate", False)
    authority = read.getCaCertData() or read.getCaCertFile()
    assert bool(authority) == want.get("authority", False)
    assert read.isTrustCerts() == want.get("insecure", False)
    assert not read.getHttpsProxy()
