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
MANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
ZOOKEEPER = "org.apache.zookeeper.server.ZooKeeperServerMain"


def configure(folder, base, changes):
    """A copy of the configuration in base, with changed properties; None takes one away."""
    shutil.copytree(base, folder)
    found = {**properties(folder / "yarn-site.xml"), **changes}
    kept = "".join(PROPERTY.format(*item) for item in found.items() if item[1] is not None)
    (folder / "yarn-site.xml").write_text(SITE.format(kept))
    return folder


def node_of_its_own(folder):
    """The properties of a NodeManager beside another one."""
    names = ("address", "localizer.address", "webapp.address")
    ports = {f"yarn.nodemanager.{name}": f"localhost:{free_port()}" for name in names}
    folders = {f"yarn.nodemanager.{name}-dirs": str(folder / name) for name in ("local", "log")}
    return {**ports, **folders}


def zookeeper(folder, port):
    """The file of settings of a ZooKeeper, in a new folder. It counts in half seconds."""
    folder.mkdir()
    settings = {
        "clientPort": port,
        "clientPortAddress": "127.0.0.1",
        "dataDir": folder / "data",
        "tickTime": 500,
        "admin.enableServer": "false",
    }
    path = folder / "zoo.cfg"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def pair_of_managers(keeper):
    """The properties of two ResourceManagers, a and b. ZooKeeper at keeper (HOST:PORT) elects one
    of them and has what they must not forget. Clients look for the other one within seconds."""
    own = "yarn.resourcemanager."
    names = ("address", "scheduler.address", "resource-tracker.address", "admin.address")
    names += ("webapp.address",)
    recovery = "org.apache.hadoop.yarn.server.resourcemanager.recovery"
    return {
        **{own + name: None for name in (*names, "hostname")},
        **{f"{own}{name}.{i}": f"localhost:{free_port()}" for name in names for i in "ab"},
        own + "ha.enabled": "true",
        own + "ha.rm-ids": "a,b",
        own + "cluster-id": "pair",
        own + "recovery.enabled": "true",
        own + "store.class": f"{recovery}.ZKRMStateStore",
        "hadoop.zk.address": keeper,
        "hadoop.zk.timeout-ms": "4000",
        "yarn.client.failover-sleep-base-ms": "200",
        "yarn.client.failover-sleep-max-ms": "1000",
        "yarn.node-labels.enabled": "false",
    }


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
