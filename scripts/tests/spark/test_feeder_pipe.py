"""The feeder without Python on executors: pipe.run_rows on real Spark, into real members."""

import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
from harness import PROGRAMS, PYTHON, ROOT
from member import members
from tfos.feed import FeedClient

SECONDS = 180
ORDER = "tfos-order"  # what stands before an order


class Taker(threading.Thread):
    """Takes a member's whole feed; batches is what came."""

    def __init__(self, member):
        super().__init__()
        self.batches = []
        self._client = FeedClient(member.socket, "train")
        self.start()

    def run(self):
        with self._client as client:
            while (batch := client.next_batch(50)) is not None:
                self.batches.append(batch)

    def column(self, name):
        return [value for batch in self.batches for value in batch[name].tolist()]


@pytest.fixture
def epoch(tmp_path_factory, node_binary):
    """Start one epoch on a local cluster whose executors have no Python: its process."""
    folder = tmp_path_factory.mktemp("p")
    shutil.copy(node_binary, folder / "tfos-node")  # a path of its own: to find its processes
    (folder / "events").mkdir()
    home = pathlib.Path(os.environ.get("SPARK_HOME") or pathlib.Path(pyspark.__file__).parent)
    conf = {
        "spark.pyspark.driver.python": PYTHON,
        "spark.pyspark.python": "/nonexistent/python",
        "spark.executorEnv.PATH": "/nonexistent",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": f"file://{folder}/events",
        "spark.ui.enabled": "false",
    }
    started = []

    def start(started_members, **order):
        order = {
            "folder": str(folder),
            "members": [one.described() for one in started_members],
            "credentials": started_members[0].credentials,
            "feed": {"name": "train", "chunk_rows": 64, "balance": "equal", "repeatable": True},
            **order,
        }
        flags = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
        command = [home / "bin" / "spark-submit", "--master", "local-cluster[2,1,1024]", *flags]
        process = subprocess.Popen(
            [*command, PROGRAMS / "pipe_epoch.py", json.dumps(order)],
            cwd=folder,
            env={**os.environ, "SPARK_HOME": str(home), "PYTHONPATH": str(ROOT / "scripts")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        process.folder = folder
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def outcome(process):
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err[-4000:]
    [line] = [line for line in out.splitlines() if line.startswith("@result ")]
    return json.loads(line.removeprefix("@result "))


def write_typed(folder):
    """5,000 rows of many types in 3 files, one of them without a row; the seconds of `at`."""
    folder.mkdir()
    noon = datetime.datetime(2024, 5, 6, 12, tzinfo=datetime.UTC)
    for i, ids in enumerate([range(4000), range(4000, 5000), range(0)]):
        columns = {
            "id": pa.array(ids, pa.int64()),
            "x": pa.array([[float(n)] * 784 for n in ids], pa.list_(pa.float32())),
            "name": pa.array([f"row {n}" * (n % 7) for n in ids], pa.string()),
            "at": pa.array(
                [noon + datetime.timedelta(seconds=n) for n in ids], pa.timestamp("us", "UTC")
            ),
            "ok": pa.array([n % 3 == 0 for n in ids], pa.bool_()),
        }
        pq.write_table(pa.table(columns), folder / f"{i}.parquet")
    return noon


def test_rows_arrive_without_python(epoch, member_binary, tmp_path):
    noon = write_typed(tmp_path / "data")
    with members(member_binary, 2, queue_bytes=1 << 24) as started:
        takers = [Taker(one) for one in started]
        process = epoch(started, data=str(tmp_path / "data"))
        told = outcome(process)
        for one in started:
            one.end()
        for taker in takers:
            taker.join(SECONDS)
    assert told["python"] == "fails"  # so it was not used
    results = told["results"]
    assert [row["partition"] for row in results] == list(range(len(results)))
    assert sum(row["rows"] for row in results) == sum(row["sent"] for row in results) == 5000
    assert {row["error"] for row in results} == {row["note"] for row in results} == {None}
    ids = takers[0].column("id") + takers[1].column("id")
    assert sorted(ids) == list(range(5000))
    for taker in takers:
        for batch in taker.batches:
            np.testing.assert_array_equal(batch["x"], np.repeat(batch["id"][:, None], 784, 1))
            assert batch["name"].tolist() == [f"row {n}" * (n % 7) for n in batch["id"]]
            np.testing.assert_array_equal(batch["ok"], batch["id"] % 3 == 0)
            seconds = batch["at"].astype("datetime64[s]").astype(np.int64)
            np.testing.assert_array_equal(seconds, int(noon.timestamp()) + batch["id"])
    logs = [path.read_bytes() for path in (process.folder / "events").rglob("*") if path.is_file()]
    assert any(b"SparkListenerTaskEnd" in log for log in logs)
    assert not any(ORDER.encode() in log for log in logs)  # nor the token in it


def test_killed_task_is_tried_again(epoch, member_binary):
    """The queue is full when an executor's tasks are killed; the next attempts send the rest."""
    with members(member_binary, 1, queue_bytes=100_000) as [one]:
        process = epoch([one], sql="select id from range(0, 400000, 1, 2)")
        deadline = time.monotonic() + SECONDS
        while one.counts()["Received"] < 1000:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(feed_tasks(process.folder)[0], signal.SIGKILL)
        taker = Taker(one)
        results = outcome(process)["results"]
        one.end()
        taker.join(SECONDS)
        assert sorted(taker.column("id")) == list(range(400_000))
        assert sum(row["rows"] for row in results) == 400_000
        assert sum(row["sent"] + row["skipped"] for row in results) == 400_000
        assert sum(row["skipped"] for row in results) > 0


def feed_tasks(folder):
    """The pids of the daemons for feed tasks, one an executor, of the tfos-node in folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # has ended
        if command[:2] == [f"{folder}/tfos-node".encode(), b"-m"]:
            found.append(int(entry.name))
    return found
