"""tfos-node in the place of Spark's Python workers, beyond what its feed tasks share with the one
in Python (test_feeder.py)."""

import subprocess
import threading
import time

import piped
import pyarrow as pa
import pytest
from member import members
from tfos.feed import FeedClient
from waiting import wait_until

FEED = {"name": "train", "chunk_rows": 100, "balance": "equal", "repeatable": True}


def batches(count):
    for at in range(count):
        yield pa.RecordBatch.from_arrays([pa.array(range(at * 10, at * 10 + 10))], ["id"])


def taken(member, rows):
    member.end()
    with FeedClient(member.socket) as client:
        return client.next_batch(rows)["id"].tolist()


@pytest.mark.parametrize("cut", ["in a batch", "before the end", "garbage", "no length"])
def test_broken_input_is_for_spark_to_try_again(node_binary, member_binary, cut):
    """An executor that dies ends its connection anywhere; what came whole stays accepted."""
    with members(member_binary, 1) as [one]:
        args = FEED, 0, [one.described()], one.credentials
        with piped.Worker(node_binary) as worker:
            gate = threading.Event()

            def rows():
                yield from batches(3)
                if cut == "in a batch":
                    worker.raw(b"\0\0\1\0" + b"\xff" * 9)
                if cut == "garbage":
                    worker.raw(b"\0\0\0\x63" + b"x" * 99)
                if cut == "no length":
                    worker.raw(b"\xff\xff\xff\xf0")
                if cut in ("in a batch", "before the end"):
                    worker.cut()
                gate.wait(60)

            sender = threading.Thread(target=worker.send, args=(*args, rows(), 0))
            sender.start()
            try:
                # Of a connection that Spark has shut nobody hears the reason.
                shut = cut in ("in a batch", "before the end")
                with pytest.raises(ConnectionError, match=None if shut else "feed: read batch"):
                    worker.result(0)
            finally:
                gate.set()
                sender.join()
        received = one.counts()["Received"]
        assert received <= 30
        again = piped.feed_partition(node_binary, *args, batches(3), 0, 0)
        assert (again["rows"], again["skipped"]) == (30, received)


def test_credentials_are_not_in_arguments_or_environment(node_binary, member_binary):
    with members(member_binary, 1) as [one], piped.Worker(node_binary) as worker:

        def rows():
            yield from batches(1)
            wait_until(lambda: one.counts()["Received"] == 10)
            for name in ("cmdline", "environ"):
                with open(f"/proc/{worker.process.pid}/{name}", "rb") as file:
                    assert one.credentials["token"].encode() not in file.read()

        worker.send(FEED, 0, [one.described()], one.credentials, rows(), 0)
        assert worker.result(0)["sent"] == 10


def test_daemon_takes_tasks_side_by_side(node_binary, member_binary):
    with members(member_binary, 1) as [one], piped.Daemon(node_binary) as daemon:
        args = FEED, 0, [one.described()], one.credentials
        first, second = daemon.connect(), daemon.connect()
        for connection in (first, second):
            assert connection.ask() == (daemon.process.pid, b"ok")

        def slow():
            yield from batches(1)
            second.send(*args, batches(2), 1)
            assert second.result(1)["sent"] == 20
            yield from batches(1)

        first.send(*args, slow(), 0)
        assert first.result(0)["sent"] == 20
        first.close()
        second.close()
        assert len(taken(one, 100)) == 40


def test_task_that_spark_gives_up_lets_go_of_its_member(node_binary, member_binary):
    """Its queue is full, so that the task waits for the member and reads nothing more."""
    with members(member_binary, 1, queue_bytes=1000) as [one], piped.Daemon(node_binary) as daemon:
        args = FEED, 0, [one.described()], one.credentials
        task = daemon.connect()
        task.ask()

        def rows():
            yield from batches(100)
            wait_until(lambda: one.counts()["Received"] > 10)
            time.sleep(0.5)

        task.send(*args, rows(), 0)
        assert sockets(daemon.process.pid) == 3  # it listens, Spark's and the member's
        task.close()
        wait_until(lambda: sockets(daemon.process.pid) == 1)


def sockets(pid):
    found = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True)
    return found.stdout.count("socket:[")


def test_wrong_secret_is_refused(node_binary):
    with piped.Daemon(node_binary, PYTHON_WORKER_FACTORY_SECRET="another") as daemon:
        connection = daemon.connect()
        assert connection.ask() == (daemon.process.pid, b"err")
        connection.close()


def test_daemon_on_a_unix_socket(node_binary, member_binary, tmp_path):
    """As Spark 4.1 and later may ask for it: without a secret."""
    where = {"PYTHON_UNIX_DOMAIN_ENABLED": "true", "PYTHON_WORKER_FACTORY_SOCK_DIR": str(tmp_path)}
    with (
        members(member_binary, 1) as [one],
        piped.Daemon(node_binary, PYTHON_WORKER_FACTORY_SECRET="", **where) as daemon,
    ):
        path = daemon.process.stdout.read(daemon.address).decode()
        connection = piped.Connection(piped.connect_unix(path))
        assert connection.process() == daemon.process.pid
        connection.send(FEED, 0, [one.described()], one.credentials, batches(2), 0)
        assert connection.result(0)["sent"] == 20
        connection.close()
    assert list(tmp_path.iterdir()) == []


def test_worker_without_an_order(node_binary):
    """A Python function that is not ours, and Spark's end of it."""
    with piped.Worker(node_binary) as worker:
        worker.raw(b"\0\0\0\1" + b"x" * 1000)
        worker.cut()
        with pytest.raises(ConnectionError):
            worker.result(0)
