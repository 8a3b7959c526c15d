"""The predict task against the real engine, without Spark."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import answering
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from answering import TOKEN, engine
from tfos import frames, links, predictor
from tfos.predictions import batch_rows

WORK = {"feed": "predict", "inputs": ["x"], "keep": ["name", "x"], "fail": True}


def batches(*sizes, start=0):
    """Batches with name, unused and x = start, start + 1, …"""
    for size in sizes:
        values = list(range(start, start + size))
        columns = [pa.array([f"r{v}" for v in values], pa.string()), pa.nulls(size)]
        columns.append(pa.array([None if v == 13_000 else v for v in values], pa.int64()))
        yield pa.RecordBatch.from_arrays(columns, ["name", "unused", "x"])
        start += size


def predict(members, rows, partition=0, attempt=1, work=WORK):
    credentials = {"ca": None, "token": TOKEN}
    return predictor.predict_partition(work, members, credentials, rows, partition, attempt)


def account(rows, skipped=0, quarantined=0):
    read = rows + skipped + quarantined
    return {"read": read, "rows": rows, "skipped": skipped, "quarantined": quarantined}


def check(got, rows):
    table = pa.Table.from_batches(got)
    assert table.column_names == ["name", "x", "small", "y"]
    assert table["x"].to_pylist() == list(range(rows))
    assert table["name"].to_pylist() == [f"r{v}" for v in range(rows)]
    assert table["y"].to_pylist() == [2 * v for v in range(rows)]
    assert table["small"].type == pa.int16()  # Spark has no uint8
    assert table["small"].to_pylist() == [v % 256 for v in range(rows)]


def test_rows_stay_together_and_in_order():
    """Several partitions, more batches than the window, batches of other sizes, empty ones."""
    with engine(batch_size=64) as one:
        sizes = [1000, 1, 0, 64, 65, 10, 10, 10, 10, 500]
        got = list(predict([one.described()], batches(*sizes), 7, 70_000_000_000))
        assert [batch.num_rows for batch in got] == [size for size in sizes if size]
        check(got, sum(sizes))
        check(list(predict([one.described()], batches(300))), 300)
        assert list(predict([one.described()], batches(0))) == []
        assert list(predict([], [])) == []  # a partition without rows needs nobody
        result = one.finish()
    assert result["rows"] == sum(sizes) + 300
    assert result["served"] == [
        {"partition": 0, "attempt": 1, **account(300)},
        {"partition": 7, "attempt": 70_000_000_000, **account(sum(sizes))},
    ]
    assert [value["phase"] for _, value in one.said if "phase" in value] == ["importing", "running"]


def test_from_another_host(monkeypatch):
    """By TCP, where the member stands between; TLS is tested at the member (internal/node)."""
    with engine() as one:
        connected = socket.create_connection(one.tcp.getsockname()), False
        monkeypatch.setattr(links, "connect", lambda address, ca: connected)
        check(list(predict([one.described()], batches(*[100] * 20))), 2000)
        assert one.finish()["rows"] == 2000


def test_window_is_bounded():
    """No more batches are taken from Spark than may be unanswered."""
    with engine() as one:
        taken = []

        def counted():
            for batch in batches(*[10] * 30):
                taken.append(batch)
                yield batch

        given = predict([one.described()], counted())
        for n in range(1, 20):
            next(given)
            assert len(taken) == n + predictor.WINDOW
        given.close()  # Spark wants no more: the connection goes
        assert one.finish().get("served", []) == []


def test_wide_batches_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(predictor, "IN_FLIGHT", 1)
    with engine() as one:
        check(list(predict([one.described()], batches(*[10] * 6))), 60)
        assert one.finish()["rows"] == 60


@pytest.fixture
def by_fours(monkeypatch):
    """The model takes 4 rows at a time."""
    shape = "tensor_shape { dim { size: %d } }"
    graph = answering.GRAPH.replace(shape % -1, shape % 4)
    monkeypatch.setattr(answering, "GRAPH", graph)


def test_whole_batches_of_the_model(by_fours):
    """Whatever batches Spark brings, the engine gets whole ones."""
    work = {**WORK, "batch": 4}
    with engine(batch_size=10) as one:
        got = list(predict([one.described()], batches(3, 0, 10, 1, 64, 5, 1), work=work))
        check(got, 84)
        assert all(batch.num_rows % 4 == 0 for batch in got)
        assert one.finish()["rows"] == 84


@pytest.mark.parametrize("pad", [False, True])
def test_rows_that_are_no_whole_batch(by_fours, pad):
    work = {**WORK, "batch": 4}
    with engine(batch_size=10, pad_last_batch=pad) as one:
        given = predict([one.described()], batches(3, 10, 1, 64, 5), 5, work=work)
        if pad:
            check(list(given), 83)
            assert one.finish()["rows"] == 83
            return
        with pytest.raises(ConnectionError, match="partition 5"):
            list(given)
        failure = one.failure()
    assert failure["code"] == 6
    assert "partition 5: " in failure["cause"] and "of 83 rows 3 are left over" in failure["cause"]


def test_bad_row_ends_the_engine_with_its_place():
    with engine(batch_size=64) as one:
        with pytest.raises(ConnectionError, match="worker:0 did not predict partition 5"):
            list(predict([one.described()], batches(*[100] * 10, start=12_900), 5))
        failure = one.failure()
    assert failure["code"] == 6
    assert 'partition 5: row 100, column "x": it is null' in failure["cause"]


def sparse(*bad, rows=1000):
    """Batches of 100 rows as above, x null in those that are bad."""
    for batch in batches(*[100] * (rows // 100)):
        x = [None if v in bad else v for v in batch["x"].to_pylist()]
        yield batch.set_column(2, "x", pa.array(x, pa.int64()))


BAD = [0, 5, 163, 164, *range(300, 400), 999]  # a whole batch of them


@pytest.mark.parametrize("way", ["skip", "quarantine"])
def test_bad_rows_are_left_out(way, tmp_path):
    """Kept columns stay beside their predictions; a batch of bad rows alone has none."""
    inputs = ["x", "name"] if way == "quarantine" else ["x"]
    work = {**WORK, "inputs": inputs, "fail": False}
    aside = {"aside": str(tmp_path / "aside"), "keep": WORK["keep"]}
    with engine(batch_size=64, on_bad_row=way, **aside if way == "quarantine" else {}) as one:
        got = list(predict([one.described()], sparse(*BAD), 2, 9, work))
        assert [batch.num_rows for batch in got] == [98, 98, 100, 0, *[100] * 5, 99]
        table = pa.Table.from_batches(got)
        good = [v for v in range(1000) if v not in BAD]
        assert table.column_names == ["name", "x", "small", "y"]
        assert table["x"].to_pylist() == good
        assert table["name"].to_pylist() == [f"r{v}" for v in good]
        assert table["y"].to_pylist() == [2 * v for v in good]
        check(list(predict([one.described()], batches(300), 1, work=work)), 300)
        result = one.finish()
    rows = account(len(good), *([len(BAD)] if way == "skip" else [0, len(BAD)]))
    assert account(len(good) + 300, *list(rows.values())[2:]).items() <= result.items()
    clean, served = result["served"]
    assert clean == {"partition": 1, "attempt": 1, **account(300)}
    assert rows.items() <= served.items()
    why = "it is null: fill or drop such rows"
    first = {"offset": 0, "partition": 2, "row": 0, "column": "x", "reason": why}
    assert served["first_bad"] == first
    if way == "skip":
        assert "quarantine" not in served
        return
    assert served["quarantine"]["output"] == "_quarantine/part-00002-9.parquet"
    found = pq.read_table(tmp_path / "aside" / served["quarantine"]["output"])
    assert found.to_pydict() == {
        "partition": [2] * len(BAD),
        "row": BAD,
        "column": ["x"] * len(BAD),
        "reason": [why] * len(BAD),
        "name": [f"r{v}" for v in BAD],
        "x": [None] * len(BAD),
    }


def test_too_few_predictions_are_an_error():
    """Unless rows may be left out, which the driver tells tasks, and the plan engines."""
    few = pytest.raises(frames.ProtocolError, match="gave 99 predictions for 100 rows")
    with engine(on_bad_row="skip") as one, few:
        list(predict([one.described()], sparse(7, rows=100)))


def test_refused_by_an_ended_member():
    with engine() as one:
        one.refusal = "exit status 3"
        with pytest.raises(ConnectionError, match="partition 2: exit status 3"):
            list(predict([one.described()], batches(1), 2))


def test_killed_engine_is_for_spark_to_try_again():
    with engine() as one:
        given = predict([one.described()], batches(*[10] * 1000))
        next(given)
        one.process.kill()
        with pytest.raises(ConnectionError, match="worker:0 did not predict partition 0"):
            list(given)


def test_a_finished_partition_reads_nothing(monkeypatch):
    """Nor does it look for a member."""
    task = SimpleNamespace(partitionId=lambda: 3, taskAttemptId=lambda: 9)
    monkeypatch.setattr("pyspark.TaskContext.get", lambda: task)
    rows = iter(batches(10))
    done = predictor.make_predictor(WORK, [], {}, None, frozenset([3, 4]))
    assert list(done(rows)) == []
    assert len(list(rows)) == 1
    missing = predictor.make_predictor(WORK, [], {}, None, frozenset([4]))
    with pytest.raises(ZeroDivisionError):  # of no members: it would be predicted
        list(missing(batches(10)))


def test_member_of_this_executor_first():
    """Executors of one kernel have a member each; a task takes its own executor's."""
    boot, space = links.boot_id(), os.readlink("/proc/self/ns/pid")
    stat = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    own = f"{boot}/{space}/{os.getppid()}/{stat[19]}"

    def member(index, executor, kernel=boot):
        return {"index": index, "executor": executor, "feed": {"boot_id": kernel}}

    one, two, far = member(0, "other"), member(1, own), member(2, "far", "elsewhere")
    assert [predictor.choose([one, two, far], n)["index"] for n in range(3)] == [1, 1, 1]
    one, two = member(0, "other"), member(1, "another")
    assert [predictor.choose([far, one, two], n)["index"] for n in range(3)] == [0, 1, 0]
    assert predictor.choose([far], 5)["index"] == 2


@pytest.mark.parametrize(
    ("rows", "batch_size", "want"),
    [
        (1000, 100, 1000),
        (1000, 128, 896),
        (1000, 1000, 1000),
        (1000, 4096, 4096),
        (10_000, 1, 10_000),
    ],
)
def test_spark_brings_whole_batches(rows, batch_size, want):
    assert batch_rows(rows, batch_size) == want
