"""What runs ahead of a program."""

import threading
import time

import pytest
from tfos.rows import Ahead


def test_bounded_and_in_order():
    produced = []

    def source():
        for i in range(20):
            produced.append(i)
            yield i

    ahead = Ahead(source(), "test")
    for i in range(20):
        assert next(ahead) == i
        assert len(produced) <= i + 4  # two ready, one in hand, one taken
    for _ in range(2):  # the end stays
        with pytest.raises(StopIteration):
            next(ahead)
    ahead.close()


def test_error_comes_after_what_was_before_it_and_stays():
    def source():
        yield 1
        raise ValueError("bad")

    ahead = Ahead(source(), "test")
    assert next(ahead) == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            next(ahead)
    ahead.close()


def test_close_ends_a_thread_that_nobody_takes_from():
    ahead = Ahead(iter(range(1000)), "to be closed")
    next(ahead)
    ahead.close()
    assert "to be closed" not in [thread.name for thread in threading.enumerate()]


def test_who_waits_for_a_closed_one_is_told():
    blocked = threading.Event()

    def source():
        yield 1
        blocked.wait(10)

    ahead = Ahead(source(), "test")
    assert next(ahead) == 1
    closing = threading.Timer(0.2, lambda: (blocked.set(), ahead.close()))
    closing.start()
    with pytest.raises((ConnectionError, StopIteration)):
        next(ahead)
    closing.join()
    for _ in range(2):
        with pytest.raises((ConnectionError, StopIteration)):
            next(ahead)


def test_close_while_the_thread_has_more_than_fits():
    ahead = Ahead(iter(range(10)), "test")
    while len(ahead._ready) < 2:
        time.sleep(0.01)
    ahead.close()
    taken = []
    with pytest.raises(ConnectionError):
        while True:
            taken.append(next(ahead))
    assert taken == list(range(len(taken)))
