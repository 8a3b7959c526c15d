"""The benchmark's own arithmetic and reports: scripts/bench, without measuring anything."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.append(str(BENCH))

import cases  # noqa: E402 all of these lie in scripts/bench
import document  # noqa: E402
import jobs  # noqa: E402
import passes  # noqa: E402
import plots  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import usage  # noqa: E402
from case import LIMIT, PEER, TFOS, Case, DidNotRun, Ratio, Sample, Settings, Side  # noqa: E402
from cases import files, spark_fed  # noqa: E402
from measure import measure, ratio, rotated  # noqa: E402


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


def side(name, role, figures):
    """A side that gives one of figures each time: a Sample, or an exception's text."""
    left = iter(figures)

    def run(folder, settings):
        one = next(left)
        if isinstance(one, str):
            raise DidNotRun(one)
        return one

    return Side(name, role, f"what {name} does", run)


def case_of(*sides, ratios=(), unit="rows/s"):
    return Case("group.name", "A title", "a row", "rows", "from to", unit, sides, ratios)


def measured(tmp_path, case, runs=3):
    said = []
    (found,) = measure([case], Settings(runs=runs), tmp_path, said.append)
    return json.loads(json.dumps(found)), said


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


# Reports.


def run_of(*found):
    return {
        "date": "2026-01-02T03:04:05+00:00",
        "command": "bench",
        "settings": {"rows": "small", "runs": 3, "warm": 3},
        "machine": {"cpu": "A CPU", "cpus": 2, "memory_gib": 23.5, "kernel": "6.1"},
        "tfos": {"version": "tfos 1", "commit": "abc"},
        "cases": list(found),
    }


@pytest.fixture
def one_run(tmp_path):
    versions = {
        "versions": {"pyspark": "3.5.9"},
        "at": {"formed": 1.5, "stopped": 2.25},
        "measured": {"peak, MiB": 123.4},
    }
    sides = (
        side("fast", TFOS, [Sample(100, [1234.5, 1300, 1400], versions)] * 3),
        side("slow<", LIMIT, [Sample(None, [1000], {"versions": {"pyspark": "4.3.0"}})] * 3),
    )
    wanted = (
        Ratio(("fast", "warm"), ("slow<", "warm"), bar=1, goal=2),
        Ratio(("fast", "warm"), ("fast", "cold")),
    )
    found, _ = measured(tmp_path, case_of(*sides, ratios=wanted))
    return run_of(found)


def test_ratios_come_first_with_what_became_of_their_bars(one_run):
    lines = [line.strip() for line in report.text(one_run).splitlines() if line.strip()]
    assert lines[1] == "1.3  fast / slow<, warm (bar 1: held, goal 2: not reached)"
    assert lines[2] == "13  fast warm / fast cold"
    assert lines[3].startswith(
        "fast (tfos): cold 100, warm 1,300 rows/s (processes: 3, warm passes: 9;"
    )
    assert lines[4].startswith("slow< (limit): cold -, warm 1,000 rows/s")
    assert "2 CPUs of A CPU, 23.5 GiB, Linux 6.1" in lines
    assert "pyspark: 3.5.9, 4.3.0" in lines


def test_figures_have_three_digits():
    found = [report.figure(x) for x in (0.01234, 0.8, 1.237, 99.4, 100.4, 45_678.9)]
    assert found == ["0.0123", "0.8", "1.24", "99.4", "100", "45,679"]


README = f"Before.\n{document.BEST_BEGIN}old\n{document.BEST_END}After.\n"


@pytest.fixture
def readme(tmp_path):
    """A README with the lines between which the best ratios stand."""
    path = tmp_path / "README.md"
    path.write_text(README)
    return path


def test_page_and_plots_come_from_the_json_alone(one_run, tmp_path, readme):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "gone.svg").write_text("")
    (folder / "group.name.md").write_text("Why it is slow.\n")
    document.write([one_run], tmp_path, readme)
    page = (tmp_path / "benchmarks.md").read_text()
    before, _, after = page.partition("## How to measure")
    assert (
        "| [A title](#a-title) | `fast`: what fast does | `slow<`: what slow< does | 1.3 "
        "| 2026-01-02 | `abc` |" in before
    )
    assert (
        "| [A title](#a-title) | fast / slow<, warm | 1.3 | bar 1: held, goal 2: not reached |"
        in before
    )
    assert "[![A title](benchmarks/group.name.svg)](#a-title)" in before
    assert "## A title\n\n- measured: `group.name`, 2026-01-02, commit `abc`, small rows" in after
    assert "- versions: pyspark 3.5.9 and 4.3.0\n" in after
    page = after
    assert "| fast / slow<, warm | 1.3 | bar 1: held, goal 2: not reached |" in page
    assert "| stopped | 2.25 | 0.75 |" in page
    assert "| peak, MiB | 123 |" in page
    assert page.endswith("\n\nWhy it is slow.\n")
    assert sorted(p.name for p in folder.iterdir()) == [
        "group.name.md",
        "group.name.svg",
        "run.json",
    ]
    again = json.loads((folder / "run.json").read_text())
    assert document.markdown(again, document.notes(folder)) == f"{before}## How to measure{page}"


def test_a_page_names_no_command_and_no_path_of_a_run(one_run):
    page = document.markdown([{**one_run, "command": "bench --json /somewhere/x.json"}], {})
    assert "/somewhere" not in page


@pytest.mark.parametrize(
    ("unit", "of", "to", "speed"),
    [
        ("rows/s", "t", "p", 4),
        ("rows/s", "p", "t", 4),
        ("s", "t", "p", 0.25),
        ("s", "p", "t", 0.25),
    ],
)
def test_the_table_says_how_many_times_as_fast_tfos_is(tmp_path, unit, of, to, speed):
    sides = (side("t", TFOS, [Sample(8, [])]), side("p", PEER, [Sample(2, [])]))
    wanted = (Ratio((of, "cold"), (to, "cold")),)
    found, _ = measured(tmp_path, case_of(*sides, ratios=wanted, unit=unit), runs=1)
    ((ours, other, value),) = document.comparisons(found)
    assert (ours["name"], other["name"], value) == ("t", "p", speed)


def test_the_table_has_the_first_ratio_to_each_other_side(one_run):
    (case,) = one_run["cases"]
    assert [(o["name"], a["name"], v) for o, a, v in document.comparisons(case)] == [
        ("fast", "slow<", 1.3)  # the second ratio is of tfos alone
    ]
    again = {**case["ratios"][0], "value": 7}
    assert len(document.comparisons({**case, "ratios": [*case["ratios"], again]})) == 1


def test_a_readme_has_the_best_ratios_to_peers(one_run):
    (case,) = one_run["cases"]
    for one in case["sides"]:  # a limit is no peer
        assert one["role"] in (TFOS, LIMIT)
    assert document.with_best(README, [one_run]).count("| [") == 0
    case["sides"][1]["role"] = PEER
    cases_ = [
        {
            **case,
            "name": f"case.{value}",
            "title": f"T{value}",
            "ratios": [{**case["ratios"][0], "value": value}],
        }
        for value in (3, 50, None, 7, 2, 900, 11)
    ]
    text = document.with_best(README, [run_of(*cases_)])
    assert text.startswith("Before.\n<!--") and text.endswith("-->\nAfter.\n")
    assert re.findall(r"\| \[(\w+)\]\(docs/benchmarks.md#\w+\)", text) == [
        "T900",
        "T50",
        "T11",
        "T7",
        "T3",
    ]
    assert document.with_best(text, [run_of(*cases_)]) == text
    with pytest.raises(ValueError, match="README has no lines"):
        document.with_best("Before.\n", [one_run])


def test_the_page_and_the_readme_are_up_to_date():
    """Both are what `make bench-docs` makes of docs/benchmarks/run.json."""
    docs = BENCH.parents[1] / "docs"
    runs = document.read(docs / "benchmarks" / "run.json")
    notes = document.notes(docs / "benchmarks")
    again = "run: .venv/bin/python scripts/bench --docs docs/benchmarks/run.json"
    assert (docs / "benchmarks.md").read_text() == document.markdown(runs, notes), again
    readme = (docs.parent / "README.md").read_text()
    assert readme == document.with_best(readme, runs), again


def test_links_within_the_page_have_their_heading():
    page = (BENCH.parents[1] / "docs" / "benchmarks.md").read_text()
    headings = {document.anchor(title) for title in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert links and links <= headings


def test_a_later_run_takes_the_place_of_a_case(one_run, tmp_path, readme):
    (case,) = one_run["cases"]
    (tmp_path / "benchmarks").mkdir()
    early = {
        **one_run,
        "date": "2026-01-02T03:04:05",
        "cases": [case, {**case, "name": "group.other"}],
    }
    late = {**one_run, "date": "2026-01-03T03:04:05", "cases": [{**case, "title": "Anew"}]}
    document.write([early, late], tmp_path, readme)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "## Anew\n\n- measured: `group.name`, 2026-01-03, " in page
    assert "`group.other`, 2026-01-02, " in page and "`group.name`, 2026-01-02" not in page
    runs = document.read(tmp_path / "benchmarks" / "run.json")
    assert [[case["name"] for case in run["cases"]] for run in runs] == [
        ["group.other"],
        ["group.name"],
    ]


def test_plot_is_drawn_to_scale(one_run):
    (case,) = one_run["cases"]
    root = ET.fromstring(plots.svg(case))
    bars = [
        float(rect.get("width"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("x") is not None
    ]
    room = plots.WIDTH - plots.LEFT - plots.RIGHT  # of the most that was measured, 1400
    assert bars == pytest.approx([room * x / 1400 for x in (100, 1300, 1000)], abs=0.1)
    words = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "slow<" in words and "1,300 warm" in words


def test_a_case_that_nobody_ran_is_still_drawn(tmp_path):
    found, _ = measured(tmp_path, case_of(side("peer", PEER, ["no reason"])))
    ET.fromstring(plots.svg(found))


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


# What other programs say.


def test_results_of_a_go_benchmark():
    text = (
        "goos: linux\nBenchmarkTFRecordRead-2 \t 1\t 64578 ns/op\t 464588 rows/s\t 12 B/op\n"
        "BenchmarkTFRecordRead-2 \t 1\t 7 ns/op\t 1.2e+06 rows/s\nPASS\n"
    )
    assert files.go_rates(text) == [464588, 1.2e6]


def test_spark_jobs_of_one_group():
    def start(number, group, at):
        properties = {"spark.jobGroup.id": group} if group else None
        return {
            "Event": "SparkListenerJobStart",
            "Job ID": number,
            "Submission Time": at,
            "Properties": properties,
        }

    def end(number, at):
        return {"Event": "SparkListenerJobEnd", "Job ID": number, "Completion Time": at}

    log = [start(0, None, 1), start(1, "feed", 2000), start(2, "other", 2500), end(2, 2600)]
    log += [
        end(1, 3000),
        start(3, "feed", 4000),
        end(0, 4100),
        end(3, 5500),
        start(4, "feed", 6000),
    ]
    assert jobs.spark_jobs(log, "feed") == [(2.0, 3.0), (4.0, 5.5)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("a\nTraceback\n  File x\nValueError: 3 rows\n26/01/01 INFO bye\n", "ValueError: 3 rows"),
        (
            "pyspark.errors.AnalysisException: [X] no\n\n",
            "pyspark.errors.AnalysisException: [X] no",
        ),
        ("only this\n", "only this"),
        ("", "it said nothing"),
    ],
)
def test_why_a_process_failed(said, why):
    assert processes.error_line(said) == why


def test_a_process_that_fails_or_lasts_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.environments, "ROOT", tmp_path)
    log = tmp_path / "log.txt"
    with pytest.raises(DidNotRun, match=r"KeyError: 'x' \(exit 1; see log.txt\)"):
        processes.run([sys.executable, "-c", "{}['x']"], log)
    child = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); "
    with pytest.raises(DidNotRun, match="not ended after 2 s"):
        processes.run([sys.executable, "-c", child + "time.sleep(60)"], log, seconds=2)
    assert ends(int(log.read_text()), seconds=10)


def ends(pid, seconds):
    """Whether a process ends within so many seconds; that of a zombie has no command line."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_process_gets_as_many_cpus_as_it_is_given(tmp_path):
    code = "import os; print(len(os.sched_getaffinity(0)))"
    processes.run([sys.executable, "-c", code], tmp_path / "log.txt", cpus=1)
    assert (tmp_path / "log.txt").read_text() == "1\n"


def test_watch_sees_the_processes_of_a_run(tmp_path):
    """Kinds by command line, only those with the mark, and what the kernel counts of them."""
    code = (
        "import sys, time; held = bytearray(64 << 20); print(flush=True)\n"
        "while time.process_time() < 0.3: pass\n"
        "time.sleep(60)"
    )
    marks = [str(tmp_path), "another run"]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, "/tfos-node run"],
            env={**os.environ, "MARK": mark},
            stdout=subprocess.PIPE,
        )
        for mark in marks
    ]
    watch, ended = usage.Watch(tmp_path), threading.Event()
    watching = threading.Thread(target=watch.until, args=(ended,))
    try:
        for child in children:
            child.stdout.readline()
        watching.start()
        time.sleep(8 * usage.SECONDS)
    finally:
        ended.set()
        for child in children:
            child.kill()
            child.communicate()
    watching.join()
    assert [pid for pid, kind in watch._kinds.items() if kind] == [children[0].pid]
    assert 64 < watch.peak("tfos-node run") < 200
    assert watch.peak("driver JVM") == 0
    assert abs(watch.growth("tfos-node run")) < 10
    assert watch.bytes(["tfos-node run"]) > 0
    assert 0.2 <= watch.cpu("tfos-node run") < 3
    assert watch.cpu("driver JVM") == 0


def test_peers_tell_the_cpu_of_all_their_processes(monkeypatch):
    monkeypatch.syspath_prepend(BENCH / "peers")
    peer = importlib.import_module("peer")
    busy = "import time\nwhile time.process_time() < 0.6: pass"
    found = peer.measured(lambda: subprocess.run([sys.executable, "-c", busy], check=True), 10, 2)
    assert len(found["rates"]) == len(found["cpu_us"]) == 2
    for rate, cpu in zip(found["rates"], found["cpu_us"], strict=True):
        assert rate < 20
        assert 50_000 <= cpu < 500_000
