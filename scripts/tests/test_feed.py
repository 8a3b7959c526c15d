"""The program's side: batches, epochs, steps, shuffle, TensorFlowOnSpark's face."""

import os
import queue
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from member import mark, members, push
from tfos.connection import FeedConnection
from tfos.feed import DataError, DataFeed, FeedClient
from tfos.rows import Decoder, Pass
from waiting import SECONDS, Call, wait_until


def take(client, n):
    batches = []
    while (batch := client.next_batch(n)) is not None:
        batches.append(batch)
    return batches


def test_batches_cross_chunks_and_epochs(member_binary):
    with members(member_binary, 1) as [one]:
        for epoch in range(3):
            push(one, epoch, chunk_rows=7, id=range(epoch * 50, epoch * 50 + 50))
            one.end(epoch, last=epoch == 2)
        with FeedClient(one.socket) as client:
            batches = take(client, 32)
            assert client.next_batch(32) is None
        assert [len(b["id"]) for b in batches] == [32, 32, 32, 32, 22]
        assert np.concatenate([b["id"] for b in batches]).tolist() == list(range(150))
        assert all(b["id"].flags.writeable for b in batches)
        one.settle()
        counts = one.ask("counts")
        assert [(c["Epoch"], c["Received"], c["Trained"]) for c in counts] == [
            (0, 50, 50),
            (1, 50, 50),
            (2, 50, 50),
        ]


def test_trained_is_what_was_handed_out(member_binary):
    with members(member_binary, 1) as [one]:
        push(one, id=range(1000))
        client = FeedClient(one.socket)
        client.next_batch(100)
        client.next_batch(30)
        client.close()
        one.settle()
        one.ask("stop", reason="over")
        assert one.counts() == {"Received": 1000, "Trained": 130, "Dropped": 870}


def test_trained_is_told_while_the_program_computes_and_at_the_end(member_binary):
    """test_connection.py has how often."""
    with members(member_binary, 1) as [one]:
        push(one, id=range(1000))
        one.end()
        with FeedClient(one.socket) as client:
            client.next_batch(10)
            wait_until(lambda: one.counts()["Trained"] == 10)
            take(client, 10)
            wait_until(lambda: one.counts()["Trained"] == 1000)


def test_mapping_names_tensors(member_binary):
    with members(member_binary, 1, mapping=[["image", "x"], ["label", "y"]]) as [one]:
        push(one, image=[[1.0, 2.0], [3.0, 4.0]], label=[5, 6], other=[7, 8])
        one.end()
        with FeedClient(one.socket) as client:
            batch = client.next_batch(2)
        assert list(batch) == ["x", "y"]
        np.testing.assert_array_equal(batch["x"], [[1, 2], [3, 4]])


def test_missing_column_and_nulls_are_named(member_binary):
    with members(member_binary, 1, mapping=[["image", "x"]]) as [one]:
        push(one, label=[1])
        with (
            FeedClient(one.socket) as client,
            pytest.raises(DataError, match=r"feed train, epoch 0: column image: .* label"),
        ):
            client.next_batch(1)
    with members(member_binary, 1) as [one]:
        push(one, label=[1, None])
        with (
            FeedClient(one.socket) as client,
            pytest.raises(
                DataError,
                match=r"^feed train, epoch 0: column label: null in row 1 of partition 0 of the "
                r"input: replace nulls \(coalesce\) or filter them out in the input$",
            ),
        ):
            client.next_batch(1)


@pytest.mark.parametrize(
    "column,where",
    [
        (pa.array([i if i != 700 else None for i in range(900)]), "null in row 700"),
        (
            pa.array([[[i], []] if i != 700 else [[0], [None, 1]] for i in range(900)]),
            "null inside the list in row 700",
        ),
        (
            pa.array([[i, i if i != 700 else None] for i in range(900)], pa.list_(pa.int64(), 2)),
            "null inside the list in row 700",
        ),
    ],
)
def test_bad_rows_are_named_by_partition(member_binary, column, where):
    with members(member_binary, 1) as [one]:
        push(one, partition=2, x=column[:700])
        push(one, partition=3, chunk_rows=64, x=column)
        with FeedClient(one.socket) as client:
            with pytest.raises(DataError, match=f"column x: {where} of partition 3 of the input"):
                take(client, 50)
            with pytest.raises(DataError, match="row 700"):  # nothing is passed over
                client.next_batch(50)
            assert "row 700" in str(client.data_error)


def test_shuffle_permutes_within_epochs(member_binary):
    def run(worker, seed):
        config = {"shuffle_rows": 100, "shuffle_seed": seed}
        with members(member_binary, worker + 1, **config) as started:
            one = started[worker]
            for epoch in range(2):
                push(one, epoch, chunk_rows=30, id=range(500))
                one.end(epoch, last=epoch == 1)
            with FeedClient(one.socket) as client:
                ids = np.concatenate([b["id"] for b in take(client, 64)]).tolist()
        assert sorted(ids[:500]) == sorted(ids[500:]) == list(range(500))
        return ids

    ids = run(0, 1)
    assert ids[:500] != ids[500:] and ids[:500] != sorted(ids[:500])
    assert run(0, 1) == ids
    assert run(0, 2) != ids
    assert run(1, 1) != ids


def test_terminate(member_binary):
    with members(member_binary, 1) as [one]:
        push(one, id=range(1000))
        with FeedClient(one.socket) as client:
            assert not client.should_stop()
            client.next_batch(10)
            client.terminate()
            assert client.should_stop()
            assert client.next_batch(10) is None
        one.settle()
        assert one.ask("counts")[0]["Stopped"]
        assert one.counts()["Trained"] == 10


def test_a_forked_child_leaves_its_parents_rows_alone(member_binary):
    with members(member_binary, 1) as [one]:
        push(one, id=range(100))
        one.end()
        with FeedClient(one.socket) as client:
            first = client.next_batch(30)["id"].tolist()
            pid = os.fork()
            if pid == 0:
                try:
                    client.next_batch(100)
                except RuntimeError as err:
                    client.close()
                    os._exit(7 if "parent" in str(err) else 8)
                os._exit(9)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            rest = take(client, 100)
        assert first + rest[0]["id"].tolist() == list(range(100))
        assert one.account() == (100, 100, 0)


def test_member_that_vanishes_raises(member_binary):
    with members(member_binary, 1) as [one]:
        client = FeedClient(one.socket)
        killer = threading.Timer(0.2, one.process.kill)
        killer.start()
        with pytest.raises(ConnectionError, match="feed train"):
            client.next_batch(1)
        client.close()
        killer.join()


def test_unknown_feed(member_binary):
    with (
        members(member_binary, 1) as [one],
        pytest.raises(RuntimeError, match="no feed 'x' here: this member takes train"),
    ):
        FeedClient(one.socket, "x")


def test_synchronous_steps_wait_for_the_mark(member_binary):
    with members(member_binary, 1, synchronous=True, batch_rows=20) as [one]:
        push(one, id=range(75))
        asked, answers, marked = queue.Queue(), [], [0]
        connection = FeedConnection(one.socket, "train", 4, Decoder)

        def permit(step):
            asked.put(step)
            answers.append((step, connection.permit(step), marked[0]))
            return answers[-1][1]

        rows = Pass(connection.config, iter(connection.take, None), permit)
        steps = Call(lambda: [step["id"].tolist() for step in iter(lambda: rows.next(20), None)])
        assert asked.get(timeout=SECONDS) == 1
        marked[0] = 2
        one.ask("low_water", feed="train", step=2)
        assert [asked.get(timeout=SECONDS) for _ in range(2)] == [2, 3]
        one.end()
        marked[0] = 3
        one.ask("low_water", feed="train", step=3, final=True)
        ids = [i for step in steps.result() for i in step]
        assert ids == list(range(60))  # the short batch is no step
        assert answers == [(1, True, 2), (2, True, 2), (3, True, 3), (4, False, 3)]
        connection.trained(rows.handed)
        connection.close()
        one.settle()
        one.ask("stop", reason="over")
        assert one.counts() == {"Received": 75, "Trained": 60, "Dropped": 15}


@pytest.mark.parametrize("k,wanted", [(1, [10] * 7), (2, [20, 20, 20, 10]), (3, [30, 30, 10])])
def test_all_workers_take_the_same_steps(member_binary, k, wanted):
    """Global batches of k steps, an odd number of them, workers with different rows."""
    with members(member_binary, 2, synchronous=True, batch_rows=10) as started:
        rows = [[], []]

        def program(index):
            with FeedClient(started[index].socket) as client:
                rows[index] = [len(b["id"]) for b in take(client, 10 * k)]

        programs = [threading.Thread(target=program, args=(i,)) for i in range(2)]
        for thread in programs:
            thread.start()
        push(started[0], chunk_rows=7, id=range(35))
        push(started[1], chunk_rows=7, id=range(131))
        mark(started)
        push(started[0], chunk_rows=7, partition=1, id=range(38))
        mark(started, final=True)
        for thread in programs:
            thread.join(SECONDS)
            assert not thread.is_alive()
        assert rows == [wanted, wanted]
        assert [one.account() for one in started] == [(73, 70, 3), (131, 70, 61)]


def test_should_stop_knows_a_refused_step(member_binary):
    with members(member_binary, 1, synchronous=True, batch_rows=20) as [one]:
        push(one, id=range(30))
        one.end()
        one.ask("low_water", feed="train", step=1, final=True)
        with FeedClient(one.socket) as client:
            rows = []
            while not client.should_stop():
                rows.append(len(client.next_batch(20)["id"]))
        assert rows == [20]


class TestDataFeed:
    def test_rows_without_mapping(self, member_binary):
        with members(member_binary, 1) as [one]:
            push(one, image=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], label=[1, 2, 3])
            one.end()
            with FeedClient(one.socket) as client:
                feed, rows = DataFeed(client), []
                while not feed.should_stop():
                    batch = feed.next_batch(2)
                    assert batch
                    rows += batch
                assert feed.next_batch(2) == []
        assert [label for _, label in rows] == [1, 2, 3]
        assert rows[1][0].tolist() == [3, 4]

    def test_columns_with_mapping(self, member_binary):
        mapping = {"image": "x", "label": "y"}
        with members(member_binary, 1, mapping=[list(p) for p in mapping.items()]) as [one]:
            push(one, image=[[1.0], [2.0]], label=["a", "b"])
            one.end()
            with FeedClient(one.socket) as client:
                feed = DataFeed(client, True, {"label": "mine"})
                assert feed.next_batch(5) == {"mine": ["a", "b"]}
                assert feed.next_batch(5) == {"mine": []}

    def test_mapping_of_an_unknown_column(self, member_binary):
        with members(member_binary, 1) as [one]:
            push(one, label=[1])
            with FeedClient(one.socket) as client:
                feed = DataFeed(client, True, {"x": "y"})
                with pytest.raises(DataError, match="no column x in the feed"):
                    feed.next_batch(1)

    def test_batch_results(self, member_binary, tmp_path):
        with members(member_binary, 1) as [one], FeedClient(one.socket) as client:
            feed = DataFeed(client, output=str(tmp_path / "out"), task_index=3)
            feed.batch_results([1.5, np.float64(2.5)])
            feed.batch_results([])
            feed.batch_results([3.5])
            final = tmp_path / "out" / "part-worker-00003.parquet"
            assert not final.exists()
            feed.close()
            assert pq.read_table(final).to_pydict() == {"prediction": [1.5, 2.5, 3.5]}

    def test_batch_results_of_columns(self, member_binary, tmp_path):
        with members(member_binary, 1) as [one], FeedClient(one.socket) as client:
            feed = DataFeed(client, output=str(tmp_path))
            feed.batch_results([{"id": 1, "scores": np.array([0.5, 0.25])}])
            feed.close()
            [row] = pq.read_table(tmp_path / "part-worker-00000.parquet").to_pylist()
            assert row == {"id": 1, "scores": [0.5, 0.25]}

    def test_batch_results_without_output_names_the_key(self, member_binary):
        with (
            members(member_binary, 1) as [one],
            FeedClient(one.socket) as client,
            pytest.raises(RuntimeError, match=r"output\.path"),
        ):
            DataFeed(client).batch_results([1])


@pytest.mark.parametrize("shuffle", [0, 40])
def test_later_epochs_from_the_cache(member_binary, shuffle):
    config = {"cache_bytes": 1 << 20, "shuffle_rows": shuffle, "shuffle_seed": 3}
    with members(member_binary, 1, **config) as [one]:
        push(one, chunk_rows=16, id=range(200), x=[[float(i), -float(i)] for i in range(200)])
        one.end(0, last=False)
        assert one.ask("replay", feed="train", epochs=3) is None
        epochs = [[], [], []]
        with FeedClient(one.socket) as client:
            for _ in range(60):
                batch = client.next_batch(10)
                assert (batch["x"][:, 0] == batch["id"]).all()
                assert batch["x"].flags.writeable
                epochs[client.epoch] += batch["id"].tolist()
            assert client.should_stop()
        assert all(sorted(ids) == list(range(200)) for ids in epochs)
        assert (epochs[0] == epochs[1]) == (shuffle == 0)
        assert (epochs[1] == epochs[2]) == (shuffle == 0)
        assert one.account() == (600, 600, 0)


def test_pace_reaches_the_member(member_binary):
    with members(member_binary, 1) as [one]:
        push(one, id=range(100))
        one.end()
        with FeedClient(one.socket) as client:
            while client.next_batch(10) is not None:
                time.sleep(0.01)
        one.settle()
        [pace] = one.ask("paces")
        assert pace["feed"] == "train"
        assert pace["rows"] == 90  # the first batch starts the clock
        assert pace["seconds"] >= 0.09
        assert 0 <= pace["waited"] < pace["seconds"]
        assert sum(count for _, count in pace["steps"]) == 9


def test_decoding_goes_on_while_the_program_computes(member_binary):
    """The next rows are arrays before they are asked for: four chunks ahead."""
    made = []

    def counted(config, worker):
        decode = Decoder(config, worker)

        def make(event):
            made.append(event)
            return decode(event)

        return make

    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=10, id=range(100))
        one.end()
        connection = FeedConnection(one.socket, "train", 4, counted)
        wait_until(lambda: len(made) == 4)
        for n in range(2):  # the next are asked for by twos
            _, piece = connection.take()
            assert piece["id"].tolist() == list(range(10 * n, 10 * n + 10))
        wait_until(lambda: len(made) == 6)
        connection.close()
