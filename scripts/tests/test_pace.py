"""The clock of a program's feed."""

from tfos.pace import Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_steps_begin_with_the_first_batch():
    clock = Clock()
    pace = Pace(clock)
    clock.now += 60  # until Spark had the first rows
    pace.batches(1, rows=32, waited=60.0, fed=70.0)
    assert pace.report(now=True) is None
    for _ in range(4):
        clock.now += 0.01
        waited = (clock.now - 160) / 4
        pace.batches(1, rows=32, waited=60 + waited, fed=70 + waited, held_back=waited / 10)
    report = pace.report(now=True)
    assert report["rows"] == 128
    assert abs(report["seconds"] - 0.04) < 1e-9
    assert abs(report["waited"] - 0.011) < 1e-9
    [(bucket, count)] = report["steps"]
    assert count == 4
    assert 9_500 < 1.1**bucket < 10_500  # microseconds


def test_told_once_a_second():
    clock = Clock()
    pace = Pace(clock)
    told = 0
    for _ in range(41):
        pace.batches(1, rows=1, waited=0.0, fed=0.0)
        told += pace.report() is not None
        clock.now += 0.25
    assert told == 10


def test_a_step_of_no_time_has_a_bucket():
    pace = Pace(Clock())
    for _ in range(3):
        pace.batches(1, rows=1, waited=0.0, fed=0.0)
    assert pace.report(now=True)["steps"] == [(0, 2)]


def test_waiting_for_the_decoder_is_no_feed_wait():
    clock = Clock()
    pace = Pace(clock)
    pace.batches(1, rows=1, waited=1.0, fed=5.0)
    clock.now += 2
    pace.batches(1, rows=1, waited=2.5, fed=5.25)
    assert pace.report(now=True)["waited"] == 0.25


def test_batches_taken_together_are_equal_steps():
    """The time after a call is that of the batches it gave."""
    clock = Clock()
    pace = Pace(clock)
    pace.batches(1, rows=32, waited=0.0, fed=0.0)
    clock.now += 0.001
    pace.batches(4, rows=128, waited=0.0, fed=0.0)
    clock.now += 0.004
    pace.batches(1, rows=3, waited=0.0, fed=0.0)
    report = pace.report(now=True)
    assert report["rows"] == 131
    [(bucket, count)] = report["steps"]
    assert count == 5
    assert 950 < 1.1**bucket < 1_050


def test_together_is_what_a_program_takes_in_10_ms():
    clock = Clock()
    pace = Pace(clock)

    def after(seconds, batches):
        for _ in range(batches):
            pace.batches(1, rows=1, waited=0.0, fed=0.0)
            clock.now += seconds
        return pace.together()

    assert after(0.001, 1) == after(0.001, 120) == 1  # only a part of those so far
    assert after(0.001, 80) == 3
    assert after(0.001, 1_000) == 8
    assert after(0.0024, 2) == 4
    assert after(0.02, 2) == 1
