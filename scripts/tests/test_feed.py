"""The program's side: batches, epochs, shuffle, conversion, TensorFlowOnSpark's face."""

import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from member import members
from tfos import arrays, feeder
from tfos.feed import DataError, DataFeed, FeedClient


def push(member, epoch=0, chunk_rows=100, partition=0, **columns):
    """Feeds columns as one partition of an epoch."""
    batch = pa.RecordBatch.from_arrays([_column(v) for v in columns.values()], list(columns))
    feed = {
        "name": "train",
        "chunk_rows": chunk_rows,
        "balance": "equal",
        "repeatable": True,
    }
    described = [member.described()]
    result = feeder.feed_partition(
        feed, epoch, described, member.credentials, [batch], partition, 0
    )
    assert result.to_pylist()[0]["error"] is None


def _column(values):
    return values if isinstance(values, pa.Array) else pa.array(values)


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
        client.next_batch(130)
        client.close()
        one.settle()
        one.ask("stop", reason="over")
        assert one.counts() == {"Received": 1000, "Trained": 130, "Dropped": 870}


def test_prefetch_is_bounded(member_binary):
    with members(member_binary, 1, queue_bytes=1 << 22) as [one]:
        push(one, chunk_rows=10, id=range(1000))
        with FeedClient(one.socket, prefetch=3) as client:
            client.next_batch(10)
            time.sleep(0.3)
            assert len(client._arrived) == 3


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
            pytest.raises(DataError, match="epoch 0: column label: null in row 1"),
        ):
            client.next_batch(1)


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
        pytest.raises(RuntimeError, match="no feed 'x': this job has train"),
    ):
        FeedClient(one.socket, "x")


def test_synchronous_steps_wait_for_the_mark(member_binary):
    with members(member_binary, 1, synchronous=True, batch_rows=20) as [one]:
        push(one, id=range(75))
        steps = []
        with FeedClient(one.socket) as client:

            def step():
                while (batch := client.next_batch(20)) is not None:
                    steps.append(batch["id"].tolist())

            thread = threading.Thread(target=step)
            thread.start()
            time.sleep(0.3)
            assert steps == []
            one.ask("low_water", feed="train", step=2)
            while len(steps) < 2:
                time.sleep(0.01)
            time.sleep(0.2)
            assert len(steps) == 2
            one.end()
            one.ask("low_water", feed="train", step=3, final=True)
            thread.join(20)
            assert not thread.is_alive()
        assert [i for step in steps for i in step] == list(range(60))  # the short batch is no step
        one.settle()
        one.ask("stop", reason="over")
        assert one.counts() == {"Received": 75, "Trained": 60, "Dropped": 15}


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


class TestConversion:
    def array(self, values, kind=None):
        batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], ["c"])
        return arrays.to_arrays(batch, [])["c"]

    def test_numbers_share_memory(self):
        column = pa.array([1.5, 2.5])
        batch = pa.RecordBatch.from_arrays([column], ["c"])
        got = arrays.to_arrays(batch, [])["c"]
        assert got.ctypes.data == column.buffers()[1].address

    def test_lists_share_memory(self):
        column = pa.array([[1.0, 2.0], [3.0, 4.0]])
        got = arrays.to_arrays(pa.RecordBatch.from_arrays([column], ["c"]), [])["c"]
        assert got.shape == (2, 2)
        assert got.ctypes.data == column.values.buffers()[1].address

    @pytest.mark.parametrize(
        "values,kind,dtype,shape",
        [
            ([1, 2], pa.int8(), np.int8, (2,)),
            ([True, False], None, np.bool_, (2,)),
            ([[1], [2]], pa.large_list(pa.int32()), np.int32, (2, 1)),
            ([[[1, 2], [3, 4]]] * 3, None, np.int64, (3, 2, 2)),
            ([[1, 2]], pa.list_(pa.float32(), 2), np.float32, (1, 2)),
            (["a"], None, object, (1,)),
            ([b"a"], None, object, (1,)),
            ([["a", "b"]], None, object, (1, 2)),
            ([[], []], pa.list_(pa.int8()), np.int8, (2, 0)),
        ],
    )
    def test_types(self, values, kind, dtype, shape):
        got = self.array(values, kind)
        assert (got.dtype, got.shape) == (dtype, shape)
        assert got.tolist() == values

    def test_sliced_lists(self):
        for kind in (pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2)):
            column = pa.array([[i, -i] for i in range(10)], kind)
            batch = pa.RecordBatch.from_arrays([column], ["c"]).slice(3, 4)
            got = arrays.to_arrays(batch, [])["c"]
            assert got.tolist() == [[i, -i] for i in range(3, 7)]

    def test_ragged_lists_are_arrays_of_objects(self):
        got = self.array([[1, 2], [3], []])
        assert got.dtype == object
        assert [row.tolist() for row in got] == [[1, 2], [3], []]

    def test_pieces_of_different_widths_join(self):
        joined = arrays.join([{"c": np.ones((2, 3))}, {"c": np.ones((1, 2))}])["c"]
        assert [row.shape for row in joined] == [(3,), (3,), (2,)]

    @pytest.mark.parametrize(
        "values,kind,message",
        [
            ([1, None], None, "null in row 1"),
            ([[1.0], [None]], None, "null in row 1"),
            ([{"a": 1}], None, "has no tensor form"),
            ([[("k", 1)]], pa.map_(pa.string(), pa.int8()), "has no tensor form"),
            ([None], pa.null(), "null in row 0"),
        ],
    )
    def test_what_has_no_array(self, values, kind, message):
        with pytest.raises(DataError, match=f"column c: .*{message}"):
            self.array(values, kind)


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


class TestDataset:
    def test_batches_types_and_end(self, member_binary):
        tf = pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            image = pa.array([[float(i), 0.0] for i in range(25)], pa.list_(pa.float32()))
            push(one, image=image, name=[f"n{i}" for i in range(25)], id=range(25))
            one.end()
            with FeedClient(one.socket) as client:
                dataset = client.dataset(10)
                spec = dataset.element_spec
                assert spec["image"] == tf.TensorSpec((None, 2), tf.float32, name="image")
                assert spec["name"].dtype == tf.string
                policy = dataset.options().experimental_distribute.auto_shard_policy
                assert policy == tf.data.experimental.AutoShardPolicy.OFF
                got = [b["id"].tolist() for b in dataset.as_numpy_iterator()]
        assert [len(b) for b in got] == [10, 10, 5]
        assert [i for batch in got for i in batch] == list(range(25))

    def test_ragged_lists_are_refused_by_name(self, member_binary):
        pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, words=[[1, 2], [3]])
            one.end()
            with (
                FeedClient(one.socket) as client,
                pytest.raises(DataError, match="tensor words: its lists have different lengths"),
            ):
                client.dataset(2)

    def test_feed_without_rows(self, member_binary):
        pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            one.end()
            with (
                FeedClient(one.socket) as client,
                pytest.raises(RuntimeError, match="no row and no column"),
            ):
                client.dataset(2)
