"""Real clusters for the conformance suite (test_clusters.py): what differs between them.

A cluster is asked here by the tests' own requests, not by what is tested.
"""

import dataclasses
import json
import re
import time
import urllib.parse
import urllib.request

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, data=None, method=None):
    request = urllib.request.Request(url, data=data, method=method)
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
    """A cluster with 2 executors' room at least. deploy_mode: client or cluster."""

    deploy_mode = "client"
    env: dict = {}  # noqa: RUF012 of tfos
    hog_args = "{}"  # of programs/hog.py
    # A job that has no room: members, and the end.
    crowd, no_room = 9, Expected(4, ["worker:"])
    unreachable: dict = {}  # noqa: RUF012 the spark section of a cluster that is not there
    out_of_memory: Expected
    driver_killed = Expected(5, ["driver"])
    killed_outside = Expected(143, ["killed from outside"])
    no_archive = Expected(3, ["no-such-archive"])

    def spark(self, **conf):
        """The spark section of a job."""
        raise NotImplementedError

    def place(self, folder):
        """The path, for a job file, of a folder that the launcher and executors see."""
        return str(folder)

    def applications(self):
        """Applications of the cluster: id -> whether it has ended."""
        raise NotImplementedError

    def kill(self, application):
        """End an application as its administrator would."""
        raise NotImplementedError

    def driver(self, job):
        """The pid of the driver's JVM."""
        return min(job.processes("org.apache.spark.deploy.SparkSubmit"))

    def running(self):
        """The one application that runs."""
        (application,) = [app for app, ended in self.applications().items() if not ended]
        return application

    def assert_clean(self, seconds=15):
        deadline = time.monotonic() + seconds
        while left := [app for app, ended in self.applications().items() if not ended]:
            assert time.monotonic() < deadline, f"{left} run after {seconds} s"
            time.sleep(0.2)


class Standalone(Cluster):
    """master: spark://…; page: the master's web address."""

    hog_args = "{limit: 4000000000}"  # nobody bounds members there
    out_of_memory = Expected(5, ["MemoryError"])
    unreachable = {"master": "spark://127.0.0.1:1"}  # noqa: RUF012

    def __init__(self, master, page):
        self.master, self.page = master, page

    def spark(self, **conf):
        return {"master": self.master, "conf": conf}

    def applications(self):
        page = json.loads(fetch(self.page + "/json/"))
        return {app["id"]: False for app in page["activeapps"]} | {
            app["id"]: True for app in page["completedapps"]
        }

    def kill(self, application):
        form = urllib.parse.urlencode({"id": application, "terminate": "true"}).encode()
        fetch(self.page + "/app/kill/", data=form)
