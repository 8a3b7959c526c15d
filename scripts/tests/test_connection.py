"""What a program's connection tells the member, and when (tfos.connection)."""

import contextlib
import threading

import pytest
from fake_member import FakeMember
from tfos import frames
from tfos.connection import TELL_SECONDS, Chunk, EpochEnd, FeedConnection
from tfos.rows import Decoder, Pass
from waiting import SECONDS, Call


class Clock:
    """Shows what a test sets. `asked` is set whenever somebody looks."""

    def __init__(self):
        self.now = 0.0
        self.asked = threading.Event()

    def __call__(self):
        now = self.now
        self.asked.set()
        return now


@contextlib.contextmanager
def connected(folder, prefetch=2, decoder=None, clock=None, **config):
    """A FakeMember with the feed "train", and a FeedConnection to it."""
    member = FakeMember(folder, feeds=[{"name": "train", **config}])
    connection = FeedConnection(member.path, "train", prefetch, decoder, clock or Clock())
    try:
        yield member, connection
    finally:
        connection.close()
        member.close()


def test_rows_are_told_now_and_then_and_at_the_end(tmp_path):
    """The first at once, then those of TELL_SECONDS together, and the rest when it ends."""
    clock = Clock()
    with connected(tmp_path, clock=clock) as (member, connection):
        for rows in (10, 20, 30):
            connection.trained({0: rows})
        clock.now += TELL_SECONDS
        for rows in (40, 50, 60):
            connection.trained({0: rows})
        connection.trained({0: 60, 1: 5}, now=True)
        connection.trained({0: 60, 1: 7})
    told = [(one["epoch"], one["rows"]) for one in member.of(frames.TRAINED)]
    assert told == [(0, 10), (0, 40), (0, 60), (1, 5), (1, 7)]


@pytest.mark.parametrize(
    ("prefetch", "asked"), [(1, [1, 1, 1, 1, 1, 1, 1]), (3, [3] + [1] * 6), (4, [4, 2, 2, 2])]
)
def test_as_many_chunks_are_asked_for_as_were_taken(tmp_path, prefetch, asked):
    """The member never has more to send than prefetch chunks. Half of them is asked for at a
    time."""
    with connected(tmp_path, prefetch) as (member, connection):
        for n in range(6):
            member.give(n, id=[n])
            assert connection.take().first == n
    assert [one["chunks"] for one in member.of(frames.NEXT)] == asked


def test_rows_are_decoded_before_they_are_asked_for(tmp_path):
    made = []
    come = threading.Event()

    def make(event):
        made.append(event.first)
        if len(made) == 4:
            come.set()
        return [event.first]

    with connected(tmp_path, 4, lambda *_: make) as (member, connection):
        for n in range(4):
            member.give(n, id=[n])
        assert come.wait(SECONDS)  # nobody has called take()
        assert [connection.take() for _ in range(4)] == [0, 1, 2, 3]


def test_a_step_waits_until_the_member_permits_it(tmp_path):
    """Rows that are there are not handed out before; a refused step ends the pass."""
    config = {"synchronous": True, "batch_rows": 2}
    with connected(tmp_path, 2, Decoder, **config) as (member, connection):
        rows = Pass(connection.config, iter(connection.take, None), connection.permit)
        member.give(0, id=list(range(7)))
        for step in (1, 2):
            taking = Call(rows.next, 2)
            assert member.await_told(frames.PERMIT, step)[-1]["step"] == step
            assert rows.handed == ({0: 2 * step - 2} if step > 1 else {})
            member.send(frames.PERMITTED, feed="train", step=step, go=True)
            assert taking.result()["id"].tolist() == [2 * step - 2, 2 * step - 1]
        taking = Call(rows.next, 2)
        member.await_told(frames.PERMIT, 3)
        member.send(frames.PERMITTED, feed="train", step=3, go=False)
        assert taking.result() is None
        assert rows.next(2) is None  # and nobody is asked
    assert len(member.of(frames.PERMIT)) == 3


def test_waiting_for_the_decoder_is_not_waiting_for_the_member(tmp_path):
    clock = Clock()

    def make(event):
        clock.now += 3
        return [event.first]

    with connected(tmp_path, 1, lambda *_: make, clock) as (member, connection):
        taking = Call(connection.take)
        assert clock.asked.wait(SECONDS)  # it waits
        clock.now = 2
        member.give(0, id=[0])
        assert taking.result() == 0
        assert (clock.now, connection.waited) == (5, 2)


def test_ready_waits_and_counts_it(tmp_path):
    clock = Clock()
    with connected(tmp_path, clock=clock) as (member, connection):
        assert not connection.ready(0)
        clock.asked.clear()
        waiting = Call(connection.ready, 100)
        assert clock.asked.wait(SECONDS)
        clock.now = 7
        member.give(0, id=[0])
        assert waiting.result()
        assert connection.waited == 7
        assert isinstance(connection.take(), Chunk)
        member.send(frames.EPOCH_END, feed="train", epoch=0, last=True)
        assert connection.ready(clock.now + SECONDS)
        assert connection.take() == EpochEnd(0, True)
        connection.close()
        assert not connection.ready(clock.now + SECONDS)  # nothing comes any more
