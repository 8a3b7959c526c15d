"""Hosts for Spark's workers on this machine: each has a network and files of its own."""

import contextlib
import os
import pathlib
import socket
import socketserver
import subprocess
import threading
import uuid

import pytest
from harness import PYTHON
from waiting import wait_until

CORES, MEMORY = 2, "2g"


def require():
    """Skips the test, or fails it, where the machine has no namespaces for it."""
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    if tried.returncode == 0:
        return
    if "mount" in os.environ.get("TFOS_REQUIRE", ""):
        pytest.fail(f"unshare: {tried.stderr}")
    pytest.skip(f"SKIPPED: no namespaces: {tried.stderr}")


class Relay(socketserver.ThreadingTCPServer):
    """Makes a server of the loopback address reachable at another address, on the same port."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, address, port):
        super().__init__((address, port), None)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        with socket.create_connection(("127.0.0.1", self.server_address[1])) as server:
            back = threading.Thread(target=self._copy, args=(server, request), daemon=True)
            back.start()
            self._copy(request, server)
            back.join()

    def _copy(self, source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)


class Cluster:
    """A standalone Spark cluster with a worker on each host. The address of this machine is
    .address, and the folder that each host has for itself is .private, at the same path."""

    def __init__(self, folder, workers):
        self._folder, self._left = pathlib.Path(folder), contextlib.ExitStack()
        self.private = self._folder / "private"
        self.private.mkdir()
        number = uuid.uuid4().int % 250 + 1
        self._name = f"tfos{number}"
        self._net = f"10.213.{number}"
        self.address = f"{self._net}.1"
        with contextlib.ExitStack() as left:
            self._left = left
            self._start(workers)
            self._left = left.pop_all()

    def _ip(self, *argv, undo=()):
        subprocess.run(["ip", *argv], check=True, capture_output=True, text=True)
        if undo:
            self._left.callback(subprocess.run, ["ip", *undo], check=False, capture_output=True)

    def _start(self, workers):
        bridge = self._name
        self._ip("link", "add", bridge, "type", "bridge", undo=("link", "del", bridge))
        self._ip("addr", "add", f"{self.address}/24", "dev", bridge)
        self._ip("link", "set", bridge, "up")
        master = ["org.apache.spark.deploy.master.Master", "--host", self.address, "--port", "0"]
        log = self._daemon("master", self.address, [], [*master, "--webui-port", "0"])
        wait_until(lambda: "Starting Spark master at " in log.read_text())
        text = log.read_text().split("Starting Spark master at ")[1]
        self.url = text.split()[0]
        logs = [self._host(number) for number in range(workers)]
        for log in logs:
            wait_until(lambda log=log: "Successfully registered with master" in log.read_text())

    def _host(self, number):
        name, link = f"{self._name}-{number}", f"{self._name}v{number}"
        address = f"{self._net}.{number + 2}"
        self._ip("netns", "add", name, undo=("netns", "del", name))
        peer = ("type", "veth", "peer", "name", "eth0", "netns", name)
        self._ip("link", "add", link, *peer, undo=("link", "del", link))
        self._ip("link", "set", link, "master", self._name, "up")
        self._ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            self._ip("-n", name, "link", "set", device, "up")
        alone = f'mount -t tmpfs tmpfs "{self.private}" && mkdir "{self.private}/tmp" && exec "$@"'
        enter = ["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", alone, "sh"]
        worker = ["org.apache.spark.deploy.worker.Worker", "--host", address, "--webui-port", "0"]
        worker += ["--cores", str(CORES), "--memory", MEMORY, "--work-dir", f"{self.private}/work"]
        return self._daemon(f"worker-{number}", address, enter, [*worker, self.url])

    def _daemon(self, name, address, enter, argv):
        import pyspark

        home = pathlib.Path(pyspark.__file__).parent
        log = self._folder / f"{name}.log"
        env = {
            **os.environ,
            "SPARK_LOCAL_IP": address,
            "PYSPARK_PYTHON": str(PYTHON),
            "TMPDIR": f"{self.private}/tmp",
            "SPARK_LOCAL_DIRS": f"{self.private}/tmp",
            "SPARK_CONF_DIR": str(self._folder / "conf"),
        }
        with log.open("w") as out:
            daemon = subprocess.Popen(
                [*enter, home / "bin" / "spark-class", *argv],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=env,
                start_new_session=True,
            )
        self._left.callback(self._end, daemon)
        return log

    @staticmethod
    def _end(daemon):
        daemon.terminate()  # a worker ends its executors
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, 9)
        daemon.wait()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._left.close()
