"""The benchmark's arithmetic and its cases (scripts/bench), without measuring anything."""

import importlib.util
import re

import cases
import document
import passes
import processes
import pytest
import report
import rows
from benching import BENCH, case_of, measured, run_of, side
from case import LIMIT, PEER, TFOS, Ratio, Sample
from cases import spark_fed
from measure import ratio, rotated


@pytest.fixture(scope="module")
def main():
    """The module __main__ of scripts/bench."""
    spec = importlib.util.spec_from_file_location("bench_main", BENCH / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Passes.


def test_passes_that_are_jobs_end_where_the_next_begins():
    jobs_ = [(10, 20), (21, 25), (26, 30), (30, 32)]
    assert passes.of_jobs(jobs_, 100) == (10, [20, 50])  # the second, 5 s, is not counted


def test_marks_of_several_workers_are_one_account():
    assert passes.merge([[(1, 5), (4, 20)], [(2, 7), (3, 9)]]) == [
        (1, 5),
        (2, 12),
        (3, 14),
        (4, 29),
    ]


def test_passes_of_marks():
    one = [(2, 50), (3, 100), (4, 150), (6, 200)]
    other = [(2, 50), (3, 100), (4, 150), (6, 200)]
    assert passes.of_marks(0, [one, other], 100, 4, 0) == (50, [100, 50])


def test_rows_that_a_worker_holds_back_do_not_lengthen_a_pass():
    """Batches of 40 over passes of 100: 20 rows wait for the next pass, which begins late."""
    marks = [(1, 40), (2, 80), (10, 120), (11, 160), (12, 200), (20, 240), (21, 280)]
    cold, warm = passes.of_marks(0, [marks], 100, 3, 40)
    assert cold == 40  # 80 rows in 2 s, not 120 in 10
    assert warm == [(280 - 160) / (21 - 11)]


def test_passes_that_were_not_taken_are_an_error():
    with pytest.raises(ValueError, match="150 rows were handed out, of 200"):
        passes.of_marks(0, [[(1, 150)]], 100, 2, 0)


# Measuring.


def test_medians_cold_and_warm_apart(tmp_path):
    samples = [Sample(1, [10, 11, 50]), Sample(9, [12, 13, 14]), Sample(2, [1, 15, 16])]
    found, _ = measured(tmp_path, case_of(side("a", TFOS, samples)))
    assert (found["sides"][0]["cold"], found["sides"][0]["warm"]) == (2, 13)
    assert len(found["sides"][0]["processes"]) == 3
    assert all(p["load_before"] >= 0 for p in found["sides"][0]["processes"])
    assert list((tmp_path / "group.name").iterdir()) == []


def test_sides_take_turns_in_another_order_each_round(tmp_path):
    sides = [side(name, PEER, [Sample(1, [])] * 3) for name in "abc"]
    _, said = measured(tmp_path, case_of(*sides))
    assert [line.split()[1][0] for line in said] == list("abcbcacab")
    assert rotated("abc", 4) == ("b", "c", "a")


def test_a_side_that_does_not_run_is_shown_and_not_tried_again(tmp_path):
    sides = (
        side("peer", PEER, [Sample(1, [2]), f"no module named {processes.environments.ROOT}/x"]),
        side("t", TFOS, [Sample(1, [4])] * 3),
    )
    wanted = Ratio(("t", "warm"), ("peer", "warm"), bar=3)
    found, _ = measured(tmp_path, case_of(*sides, ratios=(wanted,)))
    assert found["sides"][0]["did_not_run"] == "no module named x"
    assert found["sides"][0]["warm"] is None and found["ratios"][0]["held"] is None
    text = report.text(run_of(found))
    assert "peer: did not run: no module named x" in text
    assert "| peer | peer | did not run: no module named x |" in document.markdown(
        [run_of(found)], {}
    )


@pytest.mark.parametrize(
    ("warm", "bar", "held"), [(8, 0.8, True), (7.9, 0.8, False), (None, 0.8, None), (8, None, None)]
)
def test_a_bar_is_held_or_not_or_not_known(warm, bar, held):
    sides = {"t": {"cold": 1, "warm": warm}, "limit": {"cold": 1, "warm": 10}}
    found = ratio(Ratio(("t", "warm"), ("limit", "warm"), bar=bar), sides)
    assert found["held"] is held
    assert found["value"] == (None if warm is None else warm / 10)


# Cases.


def test_every_case_says_what_it_measures():
    assert len({case.name for case in cases.ALL}) == len(cases.ALL)
    for case in cases.ALL:
        assert all((case.title, case.row, case.counted, case.clock, case.unit)), case.name
        names = [s.name for s in case.sides]
        assert len(set(names)) == len(names)
        assert {s.role for s in case.sides} <= {TFOS, PEER, LIMIT}
        for one in case.ratios:
            assert {one.of[0], one.to[0]} <= set(names), f"{case.name}: {one}"


@pytest.mark.parametrize("kind", rows.KINDS)
def test_rows_are_distinct_and_as_large_as_said(kind, tmp_path):
    rows.write(tmp_path, kind, 403)
    table = rows.pq.read_table(tmp_path)
    assert table.num_rows == 403
    first = table.column(0).to_pylist()
    assert len({str(x) for x in first}) == 403
    assert table.nbytes / 403 == pytest.approx(rows.KINDS[kind].bytes, rel=0.1)


def test_a_fed_pass_is_more_than_the_queues_hold():
    for kind in spark_fed.KINDS:
        size = rows.KINDS[kind].small * rows.KINDS[kind].bytes
        assert spark_fed.MEMBERS * (64 << 20) < size < 200e6, kind


def test_environments_are_pinned():
    found = sorted((BENCH / "requirements").glob("*.txt"))
    assert [p.stem for p in found] == ["petastorm", "pyspark", "tensorflow", "tensorflowonspark"]
    for path in found:
        lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
        assert lines and all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), path


def test_cases_and_sides_are_chosen_by_name(main, capsys):
    assert main.wanted("files.parquet", []) and main.wanted("files.parquet", ["files"])
    assert not main.wanted("files.parquet", ["files.tfrecord", "fil"])
    (floats,) = (case for case in cases.ALL if case.name == "spark_fed.floats")
    some = main.only(floats, "limit,count")
    assert [s.name for s in some.sides] == ["limit", "count"]
    assert {r.of[0] for r in some.ratios} == {"count"}
    with pytest.raises(SystemExit):
        main.parse(["nothing.like.it"])
    assert "no case nothing.like.it" in capsys.readouterr().err


def test_only_a_missing_side_of_tfos_fails_the_command(main, tmp_path):
    good = side("t", TFOS, [Sample(1, [1])])
    peer, _ = measured(tmp_path, case_of(good, side("p", PEER, ["x"])), runs=1)
    ours, _ = measured(tmp_path, case_of(side("t", TFOS, ["x"])), runs=1)
    assert not main.failed(run_of(peer))
    assert main.failed(run_of(peer, ours))
