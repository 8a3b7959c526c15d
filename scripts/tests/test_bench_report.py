"""The benchmark's reports: text, page, README and plots (scripts/bench)."""

import json
import re
import xml.etree.ElementTree as ET

import document
import plots
import pytest
import report
from benching import BENCH, case_of, measured, run_of, side
from case import LIMIT, PEER, TFOS, Ratio, Sample


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


def test_figures_that_are_all_0_are_drawn(tmp_path):
    found, _ = measured(tmp_path, case_of(side("t", TFOS, [Sample(None, [0, 0])]), unit="%"), 1)
    words = [text.text for text in ET.fromstring(plots.svg(found)).iter() if text.text]
    assert "0 warm" in words
