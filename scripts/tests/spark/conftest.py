"""Fixtures of the tests that run real Spark. One standalone master serves all of a process."""

import os
import pathlib
import subprocess

import pytest
from harness import PROGRAMS, PYTHON, ROOT, Job, received, write_rows
from kubernetes import Namespace, required
from real_clusters import Kubernetes, KubernetesCluster, Yarn, YarnCluster, properties
from remote import HDFS, S3

JOB = """\
app:
  python:
    file: {program}
    function: main_fun
    args: {args}
strategy: independent
cluster_size: {members}
input: {{path: {input}, format: parquet}}
batch_size: {batch_size}
epochs: {epochs}
model_dir: {model_dir}
resources: {{worker: {{memory: 1g}}}}
spark: {spark}
{more}
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if pathlib.Path(__file__).parent in pathlib.Path(item.path).parents:
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def any_master(request):
    """(members) -> the master of tests that would pass on each. local[n] has no executors' JVMs."""
    if os.environ.get("TFOS_TEST_MASTER") == "standalone":  # make test-all
        url = request.getfixturevalue("standalone")
        return lambda members: url
    return lambda members: f"local[{2 * members}]"


@pytest.fixture
def write_job(job, any_master):
    """Write a training job file and return its path; keywords replace the defaults."""

    def write(program, data, **settings):
        members = settings.get("members", 2)
        values = {
            "program": PROGRAMS / program,
            "input": data,
            "args": "{}",
            "members": 2,
            "batch_size": 32,
            "epochs": 1,
            "model_dir": job.folder / "model",
            "spark": f"{{master: '{any_master(members)}'}}",
            "more": "",
            **settings,
        }
        path = job.folder / "job.yaml"
        path.write_text(JOB.format(**values))
        return path

    return write


@pytest.fixture(scope="session")
def many_rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("many"), 100_000, files=2)


@pytest.fixture
def running(job, write_job, many_rows):
    """(spark section) -> a job whose two workers are reading rows slowly."""

    def start(spark="{}"):
        job.start("train", write_job("count.py", many_rows, args="{sleep: 0.2}", spark=spark))
        job.wait_for(lambda: len(received(job.folder / "model")) == 2, what="both programs")
        job.wait_for(lambda: all(received(job.folder / "model").values()), what="rows")
        return job

    return start


@pytest.fixture(scope="session")
def standalone_sh():
    """Call scripts/standalone.sh: (folder, command, *flags, **environment) -> its process."""

    def call(folder, *argv, **env):
        return subprocess.run(
            [ROOT / "scripts" / "standalone.sh", *argv, "--dir", folder],
            env={**os.environ, "TFOS_PYTHON": str(PYTHON), "PYSPARK_PYTHON": str(PYTHON), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return call


@pytest.fixture(scope="session")
def standalone_folder(tmp_path_factory):
    """The folder of that master and its workers."""
    return tmp_path_factory.mktemp("s") / "c"


@pytest.fixture(scope="session")
def standalone(standalone_folder, standalone_sh):
    """spark://… of a master with 4 workers of 3 cores and 2 GiB."""
    folder = standalone_folder
    shape = ["--workers", "4", "--cores", "3", "--memory", "2g"]
    started = standalone_sh(folder, "start", *shape)
    assert started.returncode == 0, started.stderr
    Job.shared_temp = folder / "tmp"
    yield started.stdout.strip()
    Job.shared_temp = None
    stopped = standalone_sh(folder, "stop")
    assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def yarn_conf():
    """The folder of the configuration of a real YARN (scripts/yarn.sh)."""
    conf = os.environ.get("TFOS_TEST_YARN")
    if not conf and "yarn" in os.environ.get("TFOS_REQUIRE", ""):
        pytest.fail("TFOS_TEST_YARN is not set: run make test-yarn")
    if not conf:
        pytest.skip("SKIPPED: TFOS_TEST_YARN is not set: run make test-yarn")
    return pathlib.Path(conf)


@pytest.fixture(scope="session")
def yarn_hdfs(yarn_conf, tmp_path_factory):
    """A folder of that cluster's HDFS, deleted at the end: the cluster may be somebody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFOS_TEST_HDFS", properties(yarn_conf / "core-site.xml")["fs.defaultFS"])
        folder = HDFS(tmp_path_factory.mktemp("conf"))
    yield folder
    folder.remove()


@pytest.fixture(scope="session")
def yarn_client(yarn_conf, yarn_hdfs, tmp_path_factory):
    return Yarn(yarn_conf, yarn_hdfs, tmp_path_factory.mktemp("no-yarn"))


@pytest.fixture(scope="session")
def yarn_cluster(yarn_conf, yarn_hdfs, tmp_path_factory):
    return YarnCluster(yarn_conf, yarn_hdfs, tmp_path_factory.mktemp("no-yarn"))


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    script = ROOT / "configs" / "digits" / "make_data.py"
    subprocess.run([PYTHON, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def namespace(tmp_path_factory):
    """One of a real Kubernetes, with room for four pods. Commands have the rights of rbac.yaml."""
    one = Namespace(tmp_path_factory.mktemp("k8s"))
    one.quota("room", pods=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(one.kubeconfig))
        yield one
    one.close()


@pytest.fixture(scope="session")
def pods_store(tmp_path_factory):
    """A folder of a store that pods reach."""
    required("TFOS_TEST_S3")
    store = S3(tmp_path_factory.mktemp("conf"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.env.items():
            patch.setenv(name, value)
        yield store


@pytest.fixture(scope="session")
def k8s_client(namespace, pods_store, tmp_path_factory):
    return Kubernetes(namespace, tmp_path_factory.getbasetemp(), pods_store)


@pytest.fixture(scope="session")
def k8s_cluster(namespace, pods_store, tmp_path_factory):
    return KubernetesCluster(namespace, tmp_path_factory.getbasetemp(), pods_store)
