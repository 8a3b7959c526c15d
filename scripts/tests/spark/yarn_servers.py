"""Servers of YARN that a test starts itself, beside those of scripts/yarn.sh."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error

from real_clusters import fetch, properties
from remote import PROPERTY, SITE

SECONDS = 120  # a bound on a start, far above the slowest
NODE = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"


def configure(folder, base, changes):
    """A copy of the configuration in base, with changed properties."""
    shutil.copytree(base, folder)
    found = {**properties(folder / "yarn-site.xml"), **changes}
    text = "".join(PROPERTY.format(*item) for item in found.items())
    (folder / "yarn-site.xml").write_text(SITE.format(text))
    return folder


def node_of_its_own(folder):
    """The properties of a NodeManager beside another one."""
    names = ("address", "localizer.address", "webapp.address")
    ports = {f"yarn.nodemanager.{name}": f"localhost:{free_port()}" for name in names}
    folders = {f"yarn.nodemanager.{name}-dirs": str(folder / name) for name in ("local", "log")}
    return {**ports, **folders}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def java(conf, main, *argv):
    path = f"{conf}:{os.environ['TFOS_TEST_YARN_JARS']}/*"
    options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return [
        *["java", *options, "--add-opens", "java.base/java.lang=ALL-UNNAMED"],
        *[f"-Dlog4j.configuration=file:{conf}/log4j.properties", "-cp", path, main, *argv],
    ]


@contextlib.contextmanager
def server(conf, main, log, *argv):
    """A server while the block runs. It gets SIGTERM: a NodeManager then leaves the cluster."""
    with open(log, "w") as out:
        process = subprocess.Popen(
            java(conf, main, *argv), stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition, what):
    """Wait until condition() is true. A server that does not answer yet is asked again."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError(f"no {what} after {SECONDS} s")


def running_nodes(web):
    """How many nodes a ResourceManager has."""
    return fetch(web + "/ws/v1/cluster/nodes").count('"RUNNING"')
