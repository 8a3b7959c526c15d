"""From Arrow columns to numpy arrays, and from these to tf.data."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from member import members, push
from tfos import arrays
from tfos.feed import DataError, FeedClient

INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
SQUARE = pa.list_(pa.list_(pa.uint8(), 2), 3)


class TestConversion:
    def array(self, values, kind=None):
        batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], ["c"])
        return arrays.to_numpy(arrays.to_arrays(batch, []))["c"]

    def test_numbers_share_memory(self):
        column = pa.array([1.5, 2.5])
        batch = pa.RecordBatch.from_arrays([column], ["c"])
        piece = arrays.to_arrays(batch, [])
        assert piece["c"].ctypes.data == column.buffers()[1].address
        assert arrays.join([piece])["c"].ctypes.data == column.buffers()[1].address

    def test_programs_get_arrays_of_their_own(self):
        columns = [pa.array([1.5, 2.5]), pa.array(["a", "b"]), pa.array([[1], [2]])]
        piece = arrays.to_arrays(pa.RecordBatch.from_arrays(columns, ["n", "s", "l"]), [])
        for part in (piece, arrays.cut(piece, 0, 1), arrays.join([piece, piece])):
            got = arrays.to_numpy(arrays.join([part]))
            for name, array in got.items():
                array[0] = array[-1]  # writable
                if name != "s":
                    assert not np.shares_memory(array, piece[name])
        assert columns[0].to_pylist() == [1.5, 2.5]

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
            ([[[1, 2], [3, 4]]] * 3, pa.list_(pa.list_(pa.uint8(), 2), 2), np.uint8, (3, 2, 2)),
            ([[[1], [2]]], pa.list_(pa.list_(pa.int16(), 1)), np.int16, (1, 2, 1)),
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
            got = arrays.to_numpy(arrays.to_arrays(batch, []))["c"]
            assert got.tolist() == [[i, -i] for i in range(3, 7)]

    def test_ragged_lists_are_arrays_of_objects(self):
        got = self.array([[1, 2], [3], []])
        assert got.dtype == object
        assert [row.tolist() for row in got] == [[1, 2], [3], []]

    def test_lists_of_one_length_out_of_ragged_pieces(self):
        ragged = self.array([[1, 2], [3, 4], [5]])
        joined = arrays.join([{"c": np.array([[8, 9]])}, {"c": ragged[:2]}])["c"]
        assert (joined.dtype, joined.tolist()) == (np.int64, [[8, 9], [1, 2], [3, 4]])
        assert arrays.join([{"c": ragged[1:2]}])["c"].tolist() == [[3, 4]]

    def test_pieces_of_different_widths_join(self):
        joined = arrays.join([{"c": np.ones((2, 3))}, {"c": np.ones((1, 2))}])["c"]
        assert [row.shape for row in joined] == [(3,), (3,), (2,)]

    @pytest.mark.parametrize(
        "values,kind,message",
        [
            ([1, None], None, "null in row 1"),
            ([[1.0], [None]], None, "null inside the list in row 1:"),
            ([[], [1.0], [], [], [2.0, None], []], None, "null inside the list in row 4:"),
            ([[[1]], [[2], [3, 4], []], [[], [None]]], None, "null inside the list in row 2:"),
            ([[[1], [2]], [[3], None]], pa.list_(pa.list_(pa.int8(), 1), 2), "list in row 1:"),
            ([{"a": 1}], None, "has no tensor form"),
            ([[("k", 1)]], pa.map_(pa.string(), pa.int8()), "has no tensor form"),
            ([None], pa.null(), "null in row 0"),
        ],
    )
    def test_what_has_no_array(self, values, kind, message):
        with pytest.raises(DataError, match=f"column c: .*{message}"):
            self.array(values, kind)


def plain_rows(batch):
    """A batch's rows, tuples of Python values in the order of the columns."""
    return list(
        zip(*(v.tolist() if isinstance(v, np.ndarray) else v for v in batch.values()), strict=True)
    )


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
                assert spec["image"] == tf.TensorSpec((None, 2), tf.float32)
                assert spec["name"].dtype == tf.string
                policy = dataset.options().experimental_distribute.auto_shard_policy
                assert policy == tf.data.experimental.AutoShardPolicy.OFF
                got = [b["id"].tolist() for b in dataset.as_numpy_iterator()]
        assert [len(b) for b in got] == [10, 10, 5]
        assert [i for batch in got for i in batch] == list(range(25))

    @pytest.mark.parametrize(
        "column,dtype,shape",
        [
            *((pa.array([0, 1], kind), str(kind), []) for kind in INTEGERS),
            (pa.array([0, 1], pa.float32()), "float32", []),
            (pa.array([0, 1], pa.float64()), "float64", []),
            (pa.array(np.array([0, 1], np.float16)), "float16", []),
            (pa.array([True, False]), "bool", []),
            (pa.array([Decimal("1.5"), Decimal("2.5")]), "float64", []),
            (pa.array(["a", "b"]), "string", []),
            (pa.array([b"a", b"b"]), "string", []),
            (pa.array([b"a", b"b"], pa.binary(1)), "string", []),
            (pa.array([["a", "b"]] * 2), "string", [2]),
            (pa.array([[[1, 2], [3, 4], [5, 6]]] * 2, SQUARE), "uint8", [3, 2]),
            (pa.array([[[1, 2], [3, 4], [5, 6]]] * 2), "int64", [3, 2]),
        ],
        ids=lambda v: str(v.type) if isinstance(v, pa.Array) else None,
    )
    def test_types(self, member_binary, column, dtype, shape):
        """The columns alone tell the type that rows tell."""
        tf = pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, c=column)
            one.end()
            with FeedClient(one.socket) as client:
                dataset = client.dataset(2)
                [batch] = dataset
        spec = dataset.element_spec["c"]
        assert (spec.dtype, spec.shape.as_list()) == (tf.as_dtype(dtype), [None, *shape])
        if dtype != "string":
            assert batch["c"].numpy().tolist() == [
                float(v) if isinstance(v, Decimal) else v for v in column.to_pylist()
            ]
        told, inner = arrays.declared(column.type, "c")
        assert (tf.string if told is None else tf.as_dtype(told)) == tf.as_dtype(dtype)
        assert len(inner) == len(shape)

    @pytest.mark.parametrize(
        "kind,message",
        [
            (pa.date32(), "no dates and times"),
            (pa.timestamp("us"), "no dates and times"),
            (pa.duration("us"), "no dates and times"),
            (pa.time64("us"), "no tensor holds time"),
        ],
    )
    def test_what_has_no_tensor(self, member_binary, kind, message):
        pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, when=pa.array([1, 2], kind))
            one.end()
            with FeedClient(one.socket) as client:
                with pytest.raises(DataError, match=f"feed train: tensor when: .*{message}"):
                    client.dataset(2)
                assert client.data_error
        with pytest.raises(DataError, match="tensor when: no tensor holds"):
            arrays.declared(kind, "tensor when")

    def test_columns_alone_tell_the_types(self, member_binary):
        """A worker that gets no row: the feed task said the columns to it."""
        tf = pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, x=pa.array([], pa.list_(pa.float32())), name=pa.array([], pa.string()))
            one.end()
            with FeedClient(one.socket) as client:
                dataset = client.dataset(2)
                assert list(dataset) == []
        assert dataset.element_spec == {
            "x": tf.TensorSpec((None, None), tf.float32),
            "name": tf.TensorSpec((None,), tf.string),
        }

    def test_lists_that_change_their_length(self, member_binary):
        tf = pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, words=[[1, 2], [3, 4], [5], [6]])
            one.end()
            with FeedClient(one.socket) as client:
                dataset = client.dataset(2)
                with pytest.raises(tf.errors.OpError):
                    list(dataset)
                assert "tensor words: rows of shape [1] after rows of [2]" in str(client.data_error)

    @pytest.mark.parametrize("shuffle_rows", [0, 30], ids=["in order", "shuffled"])
    def test_strings(self, member_binary, shuffle_rows):
        """Of every length and form, in columns whose first batch is short or long."""
        pytest.importorskip("tensorflow")
        sizes = [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_152, 0, 5] * 6
        columns = {
            "id": list(range(60)),
            "grows": [b"\0\xff" * i for i in range(60)],
            "shrinks": ["x" * (9_000 // (1 + i)) for i in range(60)],
            "sizes": [bytes([i]) * size for i, size in enumerate(sizes)],
            "text": ["", "à", "日本", "a\0b"] * 15,
            "fixed": pa.array([bytes([i, 0]) for i in range(60)], pa.binary(2)),
            "empty": [""] * 60,
        }
        config = {"shuffle_rows": shuffle_rows, "shuffle_seed": 1}
        with members(member_binary, 2, queue_bytes=1 << 26, **config) as both:
            for one in both:
                push(one, chunk_rows=7, **columns)
                one.end()
            with FeedClient(both[0].socket) as client:
                fed = [row for b in client.dataset(4).as_numpy_iterator() for row in plain_rows(b)]
            with FeedClient(both[1].socket) as client:
                taken = []
                while (batch := client.next_batch(4)) is not None:
                    taken += plain_rows(batch)
        given = plain_rows({k: pa.array(v).to_pylist() for k, v in columns.items()})
        assert ([row[0] for row in taken] == list(range(60))) == (not shuffle_rows)
        assert sorted(taken) == given
        assert sorted(fed) == [
            tuple(v.encode() if isinstance(v, str) else v for v in row) for row in given
        ]

    def test_many_columns(self, member_binary):
        """Several types in turn: each column arrives under its own name."""
        pytest.importorskip("tensorflow")
        kinds = [np.float64, np.int32, np.float32, "U8"]
        columns = {f"c{i}": np.arange(i, i + 1000).astype(kinds[i % 4]) for i in range(250)}
        with members(member_binary, 1, queue_bytes=1 << 24) as [one]:
            push(one, chunk_rows=256, **columns)
            one.end()
            with FeedClient(one.socket) as client:
                batches = list(client.dataset(64).as_numpy_iterator())
        assert list(batches[0]) == list(columns)
        for name, column in columns.items():
            got = np.concatenate([b[name] for b in batches])
            if column.dtype.kind == "U":
                column, got = column.tolist(), [v.decode() for v in got]
            np.testing.assert_array_equal(got, column)

    @pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "in step"])
    def test_batches_in_one_call(self, member_binary, monkeypatch, synchronous):
        """A program that takes batches fast gets the same ones from fewer calls of Python; one
        that is in step with others asks for one batch at a time."""
        pytest.importorskip("tensorflow")
        calls, piece = [], FeedClient._next_piece

        def counted(client, n, most=1):
            batch = piece(client, n, most)
            calls.append(0 if batch is None else len(batch["id"]))
            return batch

        monkeypatch.setattr(FeedClient, "_next_piece", counted)
        config = {"synchronous": synchronous, "batch_rows": 10}
        with members(member_binary, 1, queue_bytes=1 << 24, **config) as [one]:
            push(one, chunk_rows=999, id=range(40_003), name=list(map(str, range(40_003))))
            one.end()
            if synchronous:
                one.ask("low_water", feed="train", step=4_000, final=True)
            with FeedClient(one.socket) as client:
                batches = list(client.dataset(10).as_numpy_iterator())
        last = [] if synchronous else [3]  # a short batch is no step
        assert [len(batch["id"]) for batch in batches] == [10] * 4_000 + last
        rows = list(range(40_000 + sum(last)))
        assert np.concatenate([b["id"] for b in batches]).tolist() == rows
        assert [int(name) for b in batches for name in b["name"]] == rows
        assert max(calls) <= (10 if synchronous else 80)
        assert (len(calls) < 3_000) != synchronous

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
