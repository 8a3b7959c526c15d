"""Real clusters for the conformance suite (test_clusters.py): what differs between them.

A cluster is asked here by the tests' own requests, not by what is tested.
"""

import dataclasses
import getpass
import json
import pathlib
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

from harness import received, write_rows
from kubernetes import opened

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, data=None, method=None, kind="application/x-www-form-urlencoded"):
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
    with _DIRECT.open(request, timeout=10) as answer:
        return answer.read().decode()


@dataclasses.dataclass
class Expected:
    """How a run ends: exit code, and patterns that the cause has."""

    code: int
    cause: list

    def check(self, result):
        cause = result.verdict.get("cause", "")
        assert result.code == self.code, f"{result.code}: {cause}\n{result.stderr}"
        for pattern in self.cause:
            assert re.search(pattern, cause), f"{pattern!r} is not in {cause!r}\n{result.stderr}"


class Cluster:
    """A cluster that has room for two members. Its attributes are what a test expects there."""

    survives = False  # a run goes on when its launcher is killed: the driver is in the cluster
    hog_args: dict = {}  # noqa: RUF012 of programs/hog.py
    # A job that has no room: its members, their memory, and the end.
    crowd, crowd_memory, no_room = 9, "1g", Expected(4, ["worker:"])
    unreachable: dict = {}  # noqa: RUF012 the spark section of a cluster that is not there
    unreachable_env: dict = {}  # noqa: RUF012
    out_of_memory: Expected
    driver_killed = Expected(5, ["driver"])
    killed_outside = Expected(143, ["killed from outside"])
    no_archive = Expected(3, ["no-such-archive"])

    def spark(self, **conf):
        """The spark section of a job."""
        raise NotImplementedError

    def model_dir(self, folder):
        """A model_dir of a test with this folder."""
        return str(folder / "model")

    def put(self, path, folder):
        """Where the cluster sees a file or folder of a test with this folder."""
        return str(path)

    def get(self, url, folder):
        """A local folder with what a job of a test with this folder has written to url."""
        return pathlib.Path(url)

    def applications(self, job):
        """Applications of a job: id -> whether it has ended."""
        raise NotImplementedError

    def kill(self, application):
        """End an application as its administrator would."""
        raise NotImplementedError

    def driver(self, job):
        """The pid of the driver's JVM."""
        return min(job.processes("org.apache.spark.deploy.SparkSubmit"))

    def running(self, job):
        """The one application of a job that runs."""
        (application,) = [app for app, ended in self.applications(job).items() if not ended]
        return application

    def assert_clean(self, job, seconds=15):
        deadline = time.monotonic() + seconds
        while left := [app for app, ended in self.applications(job).items() if not ended]:
            assert time.monotonic() < deadline, f"{left} run after {seconds} s"
            time.sleep(0.2)


class Standalone(Cluster):
    """master: spark://…; page: the master's web address."""

    hog_args = {"limit": 4_000_000_000}  # noqa: RUF012 nobody bounds members there
    out_of_memory = Expected(5, ["MemoryError"])
    unreachable = {"master": "spark://127.0.0.1:1"}  # noqa: RUF012

    def __init__(self, master, page):
        self.master, self.page = master, page

    def spark(self, **conf):
        return {"master": self.master, "conf": conf}

    def applications(self, job):
        page = json.loads(fetch(self.page + "/json/"))
        return {app["id"]: False for app in page["activeapps"]} | {
            app["id"]: True for app in page["completedapps"]
        }

    def kill(self, application):
        form = urllib.parse.urlencode({"id": application, "terminate": "true"}).encode()
        fetch(self.page + "/app/kill/", data=form)


def key_of(job):
    """How the word begins by which managers know the job's run."""
    return "tfos-" + re.sub(r"[^a-z0-9]+", "-", job.run_id)[:40].strip("-") + "-"


def properties(path):
    """A site file of Hadoop's."""
    elements = ElementTree.parse(path).iter("property")
    return {one.findtext("name"): one.findtext("value") for one in elements}


def resource_managers(site):
    """The web addresses of a site's ResourceManagers: id -> http://HOST:PORT. One by itself has
    no id."""
    name, ids = "yarn.resourcemanager.webapp.address", [""]
    if site.get("yarn.resourcemanager.ha.enabled") == "true":
        ids = site["yarn.resourcemanager.ha.rm-ids"].split(",")
    return {one: "http://" + site[f"{name}.{one}".removesuffix(".")] for one in ids}


def is_active(web):
    """Whether the ResourceManager at a web address lives and is the active one."""
    try:
        info = json.loads(fetch(web + "/ws/v1/cluster/info"))["clusterInfo"]
    except (urllib.error.URLError, OSError):
        return False
    return info["haState"] == "ACTIVE"


class Yarn(Cluster):
    """conf: folder of core-site.xml and yarn-site.xml; hdfs: an empty folder of its HDFS. The
    cluster may have run applications of earlier tests."""

    deploy_mode = "client"
    crowd_memory = "2g"
    no_room = Expected(4, ["default"])  # the queue
    out_of_memory = Expected(5, ["YARN: memory"])

    def __init__(self, conf, hdfs, elsewhere):
        """elsewhere: an empty folder, for the configuration of a cluster that is not there."""
        conf = pathlib.Path(conf)
        site = properties(conf / "yarn-site.xml")
        self.webs = list(resource_managers(site).values())
        self.hdfs = hdfs
        self.earlier = {app["id"] for app in self._all()}
        (elsewhere / "core-site.xml").write_text((conf / "core-site.xml").read_text())
        text = (conf / "yarn-site.xml").read_text()
        addresses = re.compile(r"(<name>yarn.resourcemanager[\w.]*address</name><value>\w+):\d+")
        (elsewhere / "yarn-site.xml").write_text(addresses.sub(r"\1:1", text))
        self.unreachable_env = {"HADOOP_CONF_DIR": str(elsewhere)}

    @property
    def web(self):
        """http://HOST:PORT of the active ResourceManager."""
        return next(filter(is_active, self.webs)) if self.webs[1:] else self.webs[0]

    def spark(self, **conf):
        small = {"spark.driver.memory": "512m", "spark.executor.memory": "512m"}
        return {"master": "yarn", "deploy_mode": self.deploy_mode, "conf": {**small, **conf}}

    unreachable = property(spark)

    def model_dir(self, folder):
        return f"{self.hdfs.url}/{self._name(folder)}/model"

    def _name(self, folder):
        return f"{folder.parent.name}/{folder.name}"

    def put(self, path, folder):
        return self.hdfs.put(path, f"{self._name(folder)}/{path.name}")

    def get(self, url, folder):
        name = url.removeprefix(self.hdfs.url + "/")
        return pathlib.Path(self.hdfs.get(name, folder / "got" / name))

    def _all(self):
        answer = json.loads(fetch(self.web + "/ws/v1/cluster/apps"))
        return (answer["apps"] or {}).get("app", [])

    def applications(self, job):
        word = key_of(job)
        return {
            app["id"]: app["state"] in ("FINISHED", "FAILED", "KILLED")
            for app in self._all()
            if app["id"] not in self.earlier
            and any(tag.startswith(word) for tag in app["applicationTags"].split(","))
        }

    def kill(self, application):
        url = f"{self.web}/ws/v1/cluster/apps/{application}/state?user.name={getpass.getuser()}"
        fetch(url, b'{"state": "KILLED"}', "PUT", "application/json")


class YarnCluster(Yarn):
    """The driver is in YARN's first container."""

    deploy_mode = "cluster"
    survives = True

    def driver(self, job):
        found = job.processes("org.apache.spark.deploy.yarn.ApplicationMaster")
        return next(pid for pid, command in found.items() if command.split()[0].endswith("java"))


class Kubernetes(Cluster):
    """A namespace that has room for four pods, and a store. Pods see the folder shared of this
    machine, into which programs note their rows."""

    deploy_mode = "client"
    no_room = Expected(4, ["exceeded quota: room"])
    out_of_memory = Expected(5, ["killed by the kernel: memory"])
    # The driver is no part of the cluster: what is killed there is executors.
    killed_outside = Expected(5, ["worker:", "deleted by a user"])

    def __init__(self, namespace, shared, store):
        self.namespace, self.shared, self.store = namespace, shared, store
        self.unreachable = {**self.spark(), "master": "k8s://https://127.0.0.1:1"}

    def spark(self, **conf):
        access = {f"spark.hadoop.{name}": value for name, value in self.store.settings.items()}
        settings = {**self.namespace.settings(self.shared), **access, **conf}
        return {"master": self.namespace.master, "deploy_mode": self.deploy_mode, "conf": settings}

    def model_dir(self, folder):
        opened(opened(folder) / "model")  # for the rows
        return f"{self.store.url}/{folder.name}/model"

    def put(self, path, folder):
        return self.store.put(path, f"{folder.name}/{path.name}")

    def get(self, url, folder):
        name = url.removeprefix(self.store.url + "/")
        return pathlib.Path(self.store.get(name, folder / "got" / name))

    def applications(self, job):
        found = {}
        for pod in self.namespace.pods():
            labels = pod["metadata"].get("labels", {})
            if labels.get("tfos-run", "").startswith(key_of(job)):
                app = labels["spark-app-selector"]
                found[app] = found.get(app, True) and has_ended(pod)
        return found

    def kill(self, application):
        self.namespace.delete("pods", "-l", f"spark-app-selector={application}")

    def assert_clean(self, job, seconds=30):
        """No pod, and nothing that was made for one."""
        deadline = time.monotonic() + seconds
        while left := self.namespace.left():
            assert time.monotonic() < deadline, f"left after {seconds} s: {left}"
            time.sleep(0.5)


class KubernetesCluster(Kubernetes):
    """The driver is in a pod."""

    deploy_mode = "cluster"
    survives = True
    killed_outside = Cluster.killed_outside

    def spark(self, **conf):
        return super().spark(**self.namespace.driver_settings(self.shared), **conf)

    def assert_clean(self, job, seconds=30):
        """Spark leaves the driver's pod, which has ended: what it owns goes with it."""
        deadline = time.monotonic() + seconds
        while running := [pod for pod in self.namespace.pods() if not has_ended(pod)]:
            assert time.monotonic() < deadline, f"runs after {seconds} s: {running}"
            time.sleep(0.2)
        self.namespace.delete("pods", "-l", "spark-role=driver")
        super().assert_clean(job, seconds)


def has_ended(pod):
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def job_file(cluster, job, write_job, program, rows=200, conf=None, spark=None, args=None, **more):
    """A job file of two members on the cluster. Programs write into the job's folder model."""
    data = write_rows(job.folder / "data", rows, files=2)
    return write_job(
        program,
        f"'file:{data}'",
        spark=json.dumps(spark or cluster.spark(**(conf or {}))),
        model_dir=cluster.model_dir(job.folder),
        args=json.dumps({"rows_dir": str(job.folder / "model"), **(args or {})}),
        **more,
    )


def start_busy(cluster, job, write_job, rows=20_000, sleep=0.2):
    """A job whose two workers are reading rows slowly."""
    path = job_file(cluster, job, write_job, "count.py", rows, args={"sleep": sleep})
    job.start("train", path)
    job.wait_for(lambda: len(received(job.folder / "model")) == 2, what="both programs")
    job.wait_for(lambda: all(received(job.folder / "model").values()), what="rows")
    return path


def ends(cluster, job, expected, timeout=240):
    result = job.wait(timeout)
    expected.check(result)
    job.assert_clean()
    cluster.assert_clean(job)
    return result


def assert_all_rows(job, count):
    rows = received(job.folder / "model").values()
    assert sorted(i for part in rows for i in part) == list(range(count))
