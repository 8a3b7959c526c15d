"""The feed tasks, of all kinds, against real Go members: every row arrives, once, evenly."""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import piped
import pyarrow as pa
import pytest
from member import members
from tfos import feeder
from tfos.feed import FeedClient


class Taker:
    """Takes a member's whole feed in a thread; ids is what came."""

    def __init__(self, member):
        self.ids = []
        self._client = FeedClient(member.socket, "train")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with self._client as client:
            while (batch := client.next_batch(37)) is not None:
                self.ids += batch["id"].tolist()

    def join(self):
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        return self.ids


def feed(chunk_rows=100, balance="equal", repeatable=True):
    return {
        "name": "train",
        "chunk_rows": chunk_rows,
        "balance": balance,
        "repeatable": repeatable,
    }


def id_batches(first, rows, batch_rows=1000):
    for at in range(first, first + rows, batch_rows):
        ids = pa.array(range(at, min(at + batch_rows, first + rows)), pa.int64())
        yield pa.RecordBatch.from_arrays([ids], ["id"])


@pytest.fixture(params=["arrow", "pipe", "files"])
def kind(request):
    """The feeder: the task in Python, or the one in Go, with rows from the JVM or from files."""
    return request.param


# Of rows that no file has, or that the test holds back.
from_outside = pytest.mark.parametrize("kind", ["arrow", "pipe"], indirect=True)


@pytest.fixture
def feed_partition(kind, request):
    """(feed, epoch, members, credentials, batches, partition, attempt) -> the result row."""
    if kind == "arrow":
        return lambda *args: feeder.feed_partition(*args).to_pylist()[0]
    binary = request.getfixturevalue("node_binary")
    by = piped.feed_partition if kind == "pipe" else piped.read_partition
    return lambda *args: by(binary, *args)


@pytest.fixture
def send(feed_partition):
    """Runs one feed task and waits for it in this thread; returns its result row."""

    def call(started, batches, partition=0, attempt=0, tcp=False, epoch=0, **config):
        described = [m.described(tcp) for m in started]
        credentials = started[0].credentials
        return feed_partition(
            feed(**config), epoch, described, credentials, batches, partition, attempt
        )

    return call


def finish(started, takers):
    for member in started:
        member.end()
    taken = [taker.join() for taker in takers]
    for member in started:
        member.settle()
    return taken


@pytest.mark.parametrize(
    "partitions,rows",
    [(1, 20_000), (200, 7), pytest.param(1000, 7, marks=pytest.mark.slow), (8, 2_500)],
)
@pytest.mark.parametrize("balance", ["equal", "demand"])
def test_every_row_once_and_evenly(send, member_binary, partitions, rows, balance):
    with members(member_binary, 2) as started:
        takers = [Taker(m) for m in started]

        def one(p):
            return send(started, id_batches(p * rows, rows), partition=p, balance=balance)

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(one, range(partitions)))
        taken = finish(started, takers)
        assert [r["partition"] for r in results] == list(range(partitions))
        assert all(
            r == {**r, "rows": rows, "sent": rows, "skipped": 0, "error": None, "note": None}
            for r in results
        )
        assert sorted(taken[0] + taken[1]) == list(range(partitions * rows))
        if balance == "equal":
            apart = abs(len(taken[0]) - len(taken[1]))
            assert apart <= 4 * 2 * min(rows, 100)  # tasks, chunks each on the way
        for member, ids in zip(started, taken, strict=True):
            assert member.counts() == {"Received": len(ids), "Trained": len(ids), "Dropped": 0}


def test_on_one_host_rows_come_in_shared_memory(send, member_binary):
    with members(member_binary, 1) as started:
        taker = Taker(started[0])
        send(started, id_batches(0, 50_000))
        assert finish(started, [taker]) == [list(range(50_000))]
        assert taker._client._connection._shared is not None


def test_over_tls(send, member_binary):
    with members(member_binary, 1) as started:
        taker = Taker(started[0])
        columns = [pa.array(range(3_000)), pa.array([b"x" * 1500] * 3_000)]
        batch = pa.RecordBatch.from_arrays(columns, ["id", "blob"])
        result = send(started, [batch], tcp=True, chunk_rows=1000)
        assert (result["sent"], result["error"]) == (3_000, None)
        assert finish(started, [taker]) == [list(range(3_000))]


def test_tls_authority_is_pinned(feed_partition, member_binary):
    with members(member_binary, 2) as started:
        one, other = started
        described, rows = [other.described(True)], id_batches(0, 1)
        with pytest.raises(ConnectionError, match=r"certificate|CERTIFICATE"):
            feed_partition(feed(), 0, described, one.credentials, rows, 0, 0)


def test_wrong_token_is_refused(feed_partition, member_binary):
    with members(member_binary, 1) as [one]:
        wrong = {**one.credentials, "token": "guessed"}
        with pytest.raises(ConnectionError, match="did not welcome"):
            feed_partition(feed(), 0, [one.described()], wrong, id_batches(0, 1), 0, 0)


def _task(started, attempt, rows, batch_rows, pause, binary=None):
    """A process that runs a feed task, and the id of the task's; binary: of the one in Go."""
    task = {
        "feed": feed(),
        "members": [m.described() for m in started],
        "credentials": started[0].credentials,
        "rows": rows,
        "batch_rows": batch_rows,
        "pause": pause,
        "attempt": attempt,
        "binary": binary and str(binary),
    }
    script = Path(__file__).with_name("feed_task.py")
    command = [sys.executable, str(script), json.dumps(task)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process, int(process.stdout.readline())


@from_outside
def test_killed_and_retried(kind, request, member_binary):
    """kill -9 in the middle, twice; attempts slice differently."""
    binary = request.getfixturevalue("node_binary") if kind == "pipe" else None
    rows = 30_000
    with members(member_binary, 2) as started:
        takers = [Taker(m) for m in started]
        for attempt, batch_rows in enumerate([170, 230]):
            process, pid = _task(started, attempt, rows, batch_rows, 0.002, binary)
            deadline = time.monotonic() + 60
            while sum(m.counts()["Received"] for m in started) < 5_000 * (attempt + 1):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
            result, _ = process.communicate(timeout=60)
            assert process.returncode != 0 and result == b""
        process, _ = _task(started, 2, rows, 999, 0, binary)
        result = json.loads(process.communicate(timeout=60)[0])
        taken = finish(started, takers)
        assert sorted(taken[0] + taken[1]) == list(range(rows))
        assert result["rows"] == rows
        assert result["sent"] + result["skipped"] == rows
        assert result["skipped"] >= 10_000


@from_outside
def test_fenced_attempt_fails(send, member_binary):
    with members(member_binary, 1) as started:
        gate = threading.Event()

        def slow():
            yield from id_batches(0, 1000)
            gate.wait(60)
            yield from id_batches(1000, 1000)

        with ThreadPoolExecutor(1) as pool:
            early = pool.submit(send, started, slow(), attempt=1)
            while started[0].counts()["Received"] < 1000:
                time.sleep(0.01)
            taker = Taker(started[0])
            late = send(started, id_batches(0, 2000), attempt=2)
            gate.set()
            with pytest.raises(ConnectionError, match="worker:0 broke"):
                early.result(timeout=60)
        assert (late["sent"], late["skipped"]) == (1000, 1000)
        assert finish(started, [taker]) == [list(range(2000))]


@from_outside
def test_early_stop_leaves_the_rest_unread(kind, send, member_binary):
    with members(member_binary, 2, quota_rows={"worker:0": 500, "worker:1": 300}) as started:
        takers = [Taker(m) for m in started]
        read = []

        def endless():
            for batch in id_batches(0, 10_000_000):
                read.append(batch.num_rows)
                yield batch

        result = send(started, endless())
        assert "all the rows it may take" in result["note"]
        assert sum(read) < (20_000 if kind == "arrow" else 300_000)  # a pipe and a buffer hold some
        assert [len(t.join()) for t in takers] == [500, 300]
        assert result["error"] is None


def test_one_member_stops_the_other_goes_on(send, member_binary):
    with members(member_binary, 2, quota_rows={"worker:0": 200}) as started:
        takers = [Taker(m) for m in started]
        result = send(started, id_batches(0, 5_000))
        assert (result["sent"], result["note"]) == (5_000, None)
        taken = finish(started, takers)
        assert len(taken[0]) == 200 and len(taken[1]) >= 4_400
        dropped = started[0].counts()["Received"] - 200
        assert dropped + len(taken[1]) + 200 == 5_000


@pytest.mark.parametrize("balance", ["equal", "demand"])
def test_balance_with_a_program_that_takes_nothing(send, member_binary, balance):
    """equal: rows wait for it; demand: the other program gets them."""
    both = members(member_binary, 2, queue_bytes=4_000)
    with both as started, ThreadPoolExecutor(1) as pool:
        taker = Taker(started[0])
        task = pool.submit(send, started, id_batches(0, 20_000), balance=balance)
        if balance == "demand":
            assert task.result(timeout=30)["sent"] == 20_000
        else:
            time.sleep(1)
            received = [m.counts()["Received"] for m in started]
            assert received[0] <= received[1] + 300 < 3_000
            assert not task.done()
        late = Taker(started[1])
        assert task.result(timeout=30)["sent"] == 20_000
        taken = finish(started, [taker, late])
        assert sorted(taken[0] + taken[1]) == list(range(20_000))


@from_outside
def test_member_that_vanishes_after_it_stopped_is_not_missed(send, member_binary):
    with members(member_binary, 2, quota_rows={"worker:0": 100}) as started:
        takers = [Taker(m) for m in started]

        def rows():
            yield from id_batches(0, 1_000)
            takers[0].join()
            started[0].process.kill()
            started[0].process.wait()
            yield from id_batches(1_000, 1_000)

        assert send(started, rows())["sent"] == 2_000
        started[1].end()
        assert len(takers[1].join()) >= 1_500


@pytest.mark.parametrize("when", ["before", "blocked"])
def test_failed_program_ends_the_task_without_an_exception(send, member_binary, when):
    with members(member_binary, 1, queue_bytes=10_000) as started:
        if when == "before":
            started[0].ask("fail", reason="exit 1")
            result = send(started, id_batches(0, 100_000))
        else:
            with ThreadPoolExecutor(1) as pool:
                task = pool.submit(send, started, id_batches(0, 100_000))  # nobody takes
                while started[0].counts()["Received"] == 0:
                    time.sleep(0.01)
                assert not task.done()
                started[0].ask("fail", reason="exit 1")
                result = task.result(timeout=30)
        assert result["note"] == "worker:0: exit 1"
        assert result["error"] is None


def test_member_that_vanishes_fails_the_task(send, member_binary):
    small = members(member_binary, 2, queue_bytes=10_000)
    with small as started, ThreadPoolExecutor(1) as pool:
        task = pool.submit(send, started, id_batches(0, 100_000))
        while started[1].counts()["Received"] == 0:
            time.sleep(0.01)
        started[1].process.kill()
        with pytest.raises(ConnectionError, match="worker:1"):
            task.result(timeout=30)


def test_memory_stays_bounded_with_a_slow_program(send, member_binary):
    with members(member_binary, 1, queue_bytes=200_000) as started:
        client = FeedClient(started[0].socket, prefetch=1)
        with ThreadPoolExecutor(4) as pool:
            tasks = [
                pool.submit(send, started, id_batches(p * 50_000, 50_000), partition=p)
                for p in range(4)
            ]
            for _ in range(40):
                client.next_batch(100)
                time.sleep(0.005)
            peak = started[0].ask("peak", feed="train")
            client.terminate()
            for task in tasks:
                task.result(timeout=30)
        client.close()
        one_chunk = 100 * 8 + 1000
        assert 100_000 < peak <= 200_000 + 4 * one_chunk


def test_large_rows_are_cut_to_chunks_and_too_large_ones_reported(send, member_binary):
    with members(member_binary, 1, queue_bytes=1 << 26) as started:

        def batch(*sizes):
            columns = [pa.array(range(len(sizes))), pa.array([b"x" * size for size in sizes])]
            return pa.RecordBatch.from_arrays(columns, ["id", "blob"])

        assert send(started, [batch(*[5 << 20] * 7)])["sent"] == 7
        result = send(started, [batch(1, 2, 3), batch(17 << 20)], partition=4)
        assert result["error"].startswith("row 3 of partition 4 has 178")
        assert result["sent"] <= 3 and result["rows"] == 4


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_spark_types_pass_unseen(send, member_binary, chunk_rows):
    vector = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(pa.int32())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    dense = {"type": 1, "size": None, "indices": None, "values": [1.0, 2.0, 3.0]}
    sparse = {"type": 0, "size": 3, "indices": [1], "values": [5.0]}
    columns = {
        "large": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.large_list(pa.float32())),
        "fixed": pa.array([[1, 2], [3, 4]], pa.list_(pa.int16(), 2)),
        "vector": pa.array([dense, sparse], vector),
        "text": pa.array(["a", "b"]),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    with members(member_binary, 1) as started:
        assert send(started, [batch, batch.slice(1)], chunk_rows=chunk_rows)["sent"] == 3
        started[0].end()
        with FeedClient(started[0].socket) as client:
            got = client.next_batch(10)
        np.testing.assert_array_equal(got["large"], np.float32([[1, 2], [3, 4], [3, 4]]))
        assert got["fixed"].dtype == np.int16 and got["fixed"].shape == (3, 2)
        np.testing.assert_array_equal(got["vector"], [[1, 2, 3], [0, 5, 0], [0, 5, 0]])
        assert got["text"].tolist() == ["a", "b", "b"]


@from_outside
def test_empty_partition(send, member_binary):
    with members(member_binary, 1) as started:
        assert send(started, iter([]))["rows"] == 0


def test_local_member_is_preferred_on_equal_counts(feed_partition, member_binary):
    with members(member_binary, 2) as started:
        described = [started[0].described(tcp=True), started[1].described()]
        # Each member has its own authority here: one that signs for both is not needed.
        ca = started[0].credentials["ca"] + started[1].credentials["ca"]
        credentials = {"ca": ca, "token": started[0].credentials["token"]}
        feed_partition(feed(), 0, described, credentials, id_batches(0, 8), 0, 0)
        assert started[1].counts()["Received"] == 8


def test_a_small_batch_is_shared(send, member_binary):
    with members(member_binary, 2) as started:
        send(started, id_batches(0, 60), chunk_rows=100)
        assert [one.counts()["Received"] for one in started] == [30, 30]


def test_shuffled_rows_are_not_sent_twice(feed_partition, member_binary):
    """A second attempt may read them in another order: ranges would mean other rows."""
    with members(member_binary, 1) as [one]:
        described, credentials = [one.described()], one.credentials
        once = feed(repeatable=False)
        feed_partition(once, 0, described, credentials, id_batches(0, 100), 0, 0)
        with pytest.raises(RuntimeError, match="another order"):
            feed_partition(once, 0, described, credentials, id_batches(0, 100), 0, 1)
        assert one.counts()["Received"] == 100


def test_result_schema_is_what_is_returned(member_binary):
    with members(member_binary, 1) as [one]:
        batch = feeder.feed_partition(
            feed(), 0, [one.described()], one.credentials, id_batches(0, 5), 3, 0
        )
    spark_types = {"int": pa.int32(), "long": pa.int64(), "string": pa.string()}
    declared = [field.split() for field in feeder.RESULT_SCHEMA.split(", ")]
    assert [(f.name, f.type) for f in batch.schema] == [(n, spark_types[t]) for n, t in declared]


def test_make_feeder_takes_its_place_from_spark(member_binary, monkeypatch):
    import pyspark

    class Task:
        def partitionId(self):
            return 6

        def taskAttemptId(self):
            return 99

    monkeypatch.setattr(pyspark.TaskContext, "get", staticmethod(Task))
    with members(member_binary, 1) as [one]:
        run = feeder.make_feeder(feed(), 0, [one.described()], one.credentials)
        [result] = run(id_batches(0, 10))
        assert result.to_pylist()[0]["partition"] == 6


def test_keep_warm_forgets_importers_of_zips_alone(tmp_path, monkeypatch):
    """A module that is still to be imported from the zip is found all the same."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("kept_warm_one.py", "")
        file.writestr("kept_warm_two.py", "")
    monkeypatch.syspath_prepend(tmp_path / "a.zip")
    importlib.import_module("kept_warm_one")
    others = {k: v for k, v in sys.path_importer_cache.items() if not k.endswith(".zip")}
    assert str(tmp_path / "a.zip") in sys.path_importer_cache
    feeder.keep_warm()
    try:
        assert str(tmp_path / "a.zip") not in sys.path_importer_cache
        assert others.items() <= sys.path_importer_cache.items()
        importlib.import_module("kept_warm_two")
    finally:
        gc.unfreeze()
