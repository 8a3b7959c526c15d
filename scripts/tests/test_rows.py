"""Chunks become arrays in the thread that reads a connection."""

import itertools
import threading

import numpy as np
import pytest
from member import members, push
from tfos.connection import Chunk, EpochEnd, FeedConnection
from tfos.feed import DataError, FeedClient
from tfos.rows import Decoder, Pass
from waiting import Call


def decoder(make):
    """What FeedConnection takes: make(event) for each."""
    return lambda _config, _worker: make


def test_what_the_decoder_makes_comes_in_order(member_binary):
    """Several things of one chunk, none of another; every chunk is room for one more."""
    made = iter([["a", "b"], [], [], ["c"], []])

    def make(event):
        return next(made) if isinstance(event, Chunk) else ["end"]

    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=10, id=range(50))
        one.end()
        connection = FeedConnection(one.socket, "train", 1, decoder(make))
        assert [connection.take() for _ in range(4)] == ["a", "b", "c", "end"]
        connection.close()


def test_error_comes_after_what_was_before_it_and_stays(member_binary):
    def make(event):
        if event.first == 20:
            raise DataError("bad")
        return [event.first]

    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=10, id=range(100))
        connection = FeedConnection(one.socket, "train", 4, decoder(make))
        assert [connection.take(), connection.take()] == [0, 10]
        for _ in range(2):
            with pytest.raises(DataError, match="bad"):
                connection.take()
        connection.close()


def test_close_ends_who_waits_and_the_thread(member_binary):
    with members(member_binary, 1) as [one]:
        client = FeedClient(one.socket)
        closing = threading.Timer(0.2, client.close)
        closing.start()
        with pytest.raises(ConnectionError, match="it is closed"):
            client.next_batch(1)
        closing.join()
        assert "feed train" not in [thread.name for thread in threading.enumerate()]


def test_close_while_the_decoder_works(member_binary):
    begun, goes_on = threading.Event(), threading.Event()

    def make(event):
        begun.set()
        assert goes_on.wait(60)
        return [event.first]

    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=10, id=range(100))
        connection = FeedConnection(one.socket, "train", 4, decoder(make))
        assert begun.wait(60)
        threading.Timer(0.2, goes_on.set).start()
        connection.close()
        with pytest.raises(ConnectionError, match="it is closed"):
            for _ in range(5):  # what had come is still there
                connection.take()


def test_shuffled_rows_need_no_more_room_than_there_is(member_binary):
    """A shuffle that takes many chunks in before it gives one does not wait for itself."""
    with members(member_binary, 1, shuffle_rows=500) as [one]:
        push(one, chunk_rows=10, id=range(1000))
        one.end()
        with FeedClient(one.socket, prefetch=1) as client:
            ids = []
            while (batch := client.next_batch(50)) is not None:
                ids += batch["id"].tolist()
        assert sorted(ids) == list(range(1000))
        assert ids != np.arange(1000).tolist()


def of_chunks(*sizes):
    """A Pass over rows 0, 1, 2, … in pieces of these sizes, and the list of what is to come."""
    firsts = np.cumsum([0, *sizes])
    source = [(0, {"id": np.arange(a, b)}) for a, b in itertools.pairwise(firsts)]

    def ready(until):
        return bool(source)

    return Pass({}, iter(lambda: source.pop(0), None), None, ready), source


def test_several_batches_in_one():
    """As many as come in time, whole ones."""
    rows, source = of_chunks(*[7] * 7, 1)
    ids = [rows.next(10, most)["id"].tolist() for most in (1, 3, 3)]
    assert [len(batch) for batch in ids] == [10, 30, 10]
    assert [row for batch in ids for row in batch] == list(range(50))
    source.append(EpochEnd(0, True))
    assert rows.next(10, 3) is None
    rows, source = of_chunks(25)
    assert rows.next(10, 3)["id"].tolist() == list(range(20))
    source.append(EpochEnd(0, True))
    assert rows.next(10, 3)["id"].tolist() == list(range(20, 25))


def test_the_end_is_not_waited_for_longer_than_for_the_first_batch(member_binary):
    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=7, id=range(50))
        connection = FeedConnection(one.socket, "train", 4, Decoder)
        source = iter(connection.take, None)
        rows = Pass(connection.config, source, connection.permit, connection.ready)
        ids = []
        while len(ids) < 50:  # the last has 10 rows and no end
            batch = Call(rows.next, 10, 3).result()["id"].tolist()
            assert len(batch) in (10, 20, 30)
            ids += batch
        assert ids == list(range(50))
        one.end()
        assert rows.next(10, 3) is None
        connection.close()
