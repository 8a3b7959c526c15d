"""A TCP proxy that holds one call back, so that a test can kill a process in the middle of it."""

import contextlib
import os
import re
import select
import signal
import socket
import threading

from harness import stat
from remote import write_site
from waiting import SECONDS, wait_until

# What the command lines of a job's processes have.
LAUNCHER, DRIVER, ENGINE, MEMBER = "launcher", "tfos-node local", "tfos-engine", "tfos-node run"
RESERVE, SPARK, UPLOAD = "tfos-node reserve", "app.py", "tfos-node upload"

CLOSING = 0.5  # seconds in which a killed process's connections are seen to end


class Held:
    """A store through a proxy, as jobs see it. direct: the store without the proxy."""

    def __init__(self, kind, store, conf):
        self.kind, self.direct = kind, store
        known = " ".join([*store.settings.values(), *store.env.values()])
        server = re.search(r"//([\w.]+:\d+)", known)[1]
        self.proxy = Proxy(server)

        def moved(values):
            return {name: v.replace(server, self.proxy.address) for name, v in values.items()}

        self.url = store.url.replace(server, self.proxy.address)
        site = write_site(conf, moved(store.settings))
        self.env = {**moved(store.env), "HADOOP_CONF_DIR": str(site)}
        self.names = store.names

    def kill_at(self, job, call, start, victim):
        """Starts a run, whose victim dies while the proxy holds its call (of Proxy.stall). Returns
        the result of the run, of which nothing is left."""
        self.proxy.stall(*call)
        running = start()
        running.wait_for(self.proxy.held.is_set, what=f"the call {call[0]}")
        kill(job, victim)
        self.proxy.release()
        done = running.wait()
        assert done.code != 0
        job.assert_clean()
        return done


def kill(job, victim):
    victims = [job.process.pid] if victim == LAUNCHER else job.processes(victim)
    assert victims, victim
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):  # one of them ends with another
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(map(has_closed_all, victims)))


def has_closed_all(pid):
    """The process has ended with all its threads, so that its connections are closed. A process is
    a zombie as soon as its first thread has ended."""
    try:
        return stat(pid)[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1
    except OSError:
        return True


class Proxy:
    """Forwards to a server. Requests of object stores (plain HTTP) and calls of a name node have
    their names and paths as text."""

    def __init__(self, server):
        host, _, port = server.rpartition(":")
        self._server = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._lock = threading.Lock()
        self._pattern, self._answered, self._left = None, False, 0
        self.held = threading.Event()
        self._release = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, pattern, answered=False, number=1):
        """Holds the next call (or the number-th) that matches a pattern of bytes: the server does
        not get it; answered: the server does it, and its answer is held."""
        with self._lock:
            self.held.clear()
            self._release.clear()
            self._pattern = re.compile(pattern, re.DOTALL)
            self._answered, self._left = answered, number

    def release(self):
        """The held call goes on."""
        self._release.set()

    def close(self):
        self._listener.close()

    def _matches(self, data):
        with self._lock:
            if not self._pattern or not self._pattern.search(data):
                return False
            self._left -= 1
            if not self._left:
                self._pattern = None
            return not self._left

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server, SECONDS)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client, server):
        """Both ways, until one side ends."""
        with contextlib.suppress(OSError), client, server:
            answer = False  # the server's next word is the answer to hold
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    if answer if one is server else self._matches(data):
                        if one is client and self._answered:
                            answer = True
                        elif not self._hold(client):
                            return
                        else:
                            answer = False
                    (client if one is server else server).sendall(data)

    def _hold(self, client):
        """Until release (true), or until the client is dead."""
        self.held.set()
        while not self._release.wait(0.02):
            if is_closed(client):
                return False
        return not is_closed(client, CLOSING)


def is_closed(connection, seconds=0):
    """Its other side has closed it, or does so within these seconds."""
    ready = select.select([connection], [], [], seconds)[0]
    return bool(ready) and not connection.recv(1, socket.MSG_PEEK)
