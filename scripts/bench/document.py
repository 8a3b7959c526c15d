"""Writes docs/benchmarks.md, its plots, its JSON and the README's best ratios, from JSON of runs.

A note on a case's figures (a profile, the reason why a goal is missed) is written by hand in
docs/benchmarks/<case>.md. The page shows it below the case's tables.
"""

import json
import re
import statistics

import plots
import report
from case import PEER, TFOS

HEAD = """\
# Benchmarks

tfos and its peers do the same work. A case's section says on which rows. A limit is the least
work with common tools: for example, Spark that only counts the rows.

"""

HOW = """\
## How to measure

```
make bench        rows in and out, graph programs, stores and export on reduced rows
make bench-full   everything, in more than an hour
make bench-docs   this page; the cases of the last run replace earlier ones
.venv/bin/python scripts/bench --list       the cases
.venv/bin/python scripts/bench spark_fed.floats --sides limit,dataset
```

- `make bench-docs` writes the tables and plots from [the JSON of runs](benchmarks/run.json). That
  file also has each run's command, settings, machine and load.
- The text below a case's tables is written by hand, and so are the figures in it.
- No figure is a test. Other work on the machine changes every figure.
- Each peer has its own virtual environment below `.bench`. `scripts/bench/requirements` pins its
  packages. A peer that did not run is shown with the reason.
- Rows are random, and no two rows are the same. The sides of a case run in turns.
- Figures are medians: cold over processes, warm over all warm passes of all processes. The line
  in a plot goes from the lowest figure to the highest.
- A bar is a ratio that tfos must reach. A goal is a ratio that tfos should reach.
"""

BEST = 5  # ratios in the README
BEST_BEGIN = "<!-- best ratios: written by make bench-docs -->\n"
BEST_END = "<!-- end of best ratios -->\n"


def read(path):
    """The runs in a JSON file: of one run, or docs/benchmarks/run.json."""
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


def latest(runs):
    """The runs, each with only those of its cases that no later run has measured."""
    kept, seen = [], set()
    for found in reversed(runs):
        cases = [case for case in found["cases"] if case["name"] not in seen]
        seen.update(case["name"] for case in cases)
        if cases:
            kept.append({**found, "cases": cases})
    return kept[::-1]


def write(runs, docs, readme):
    """docs/benchmarks.md, docs/benchmarks/run.json and docs/benchmarks/<case>.svg, and the best
    ratios in the README. runs: in the order of time."""
    runs = latest(runs)
    folder = docs / "benchmarks"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for case, _ in measured_cases(runs):
        (folder / f"{case['name']}.svg").write_text(plots.svg(case))
    (folder / "run.json").write_text(json.dumps(runs, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(markdown(runs, notes(folder)))
    readme.write_text(with_best(readme.read_text(), runs))


def notes(folder):
    """Case -> the note on it: docs/benchmarks/<case>.md."""
    return {path.stem: path.read_text().strip() for path in folder.glob("*.md")}


def measured_cases(runs):
    """(case, its run), in the order of the cases' names."""
    found = [(case, run) for run in runs for case in run["cases"]]
    return sorted(found, key=lambda one: one[0]["name"])


def markdown(runs, notes):
    """The page. notes: as from notes()."""
    found = measured_cases(runs)
    parts = [HEAD + "\n".join(overview(found)), "", *missed(found), *pictures(found), HOW]
    for case, run in found:
        parts += [*section(case, run, notes.get(case["name"])), ""]
    return "\n".join(parts)


def overview(found):
    rows = [
        (title_link(case), named(of), named(other), speed_cell(speed), day(run), commit(run))
        for case, run in found
        for of, other, speed in comparisons(case)
    ]
    return [
        "The ratio says how many times as fast tfos is. Above 1, tfos is faster. A case has more",
        "ratios in its own section.",
        "",
        *table(("what", "tfos", "against", "ratio", "date", "commit"), rows),
    ]


def comparisons(case):
    """(side of tfos, peer or limit, how many times as fast tfos is or None): the case's first
    ratio to each peer and each limit."""
    sides = {side["name"]: side for side in case["sides"]}
    first = {}
    for ratio in case["ratios"]:
        of, to = sides[ratio["of"][0]], sides[ratio["to"][0]]
        if (of["role"] == TFOS) == (to["role"] == TFOS):
            continue
        value, tfos_above = ratio["value"], of["role"] == TFOS
        ours, other = (of, to) if tfos_above else (to, of)
        more_is_better = case["unit"] != "s"
        if value is not None and tfos_above != more_is_better:
            value = 1 / value
        first.setdefault(other["name"], (ours, other, value))
    return list(first.values())


def missed(found):
    """The bars and goals that a ratio does not reach, of all cases."""
    rows = [
        (title_link(case), report.ratio_name(ratio), *ratio_cells(ratio))
        for case, _ in found
        for ratio in case["ratios"]
        if False in (ratio["held"], ratio["reached"])
    ]
    if not rows:
        return []
    head = ("case", "ratio", "measured", "bar, goal")
    return ["Ratios that miss their bar or goal:", "", *table(head, rows), ""]


def pictures(found):
    lines = ["## Plots", ""]
    for case, _ in found:
        plot = f"![{title(case)}](benchmarks/{case['name']}.svg)"
        lines += [f"[{plot}](#{anchor(case['title'])})", ""]
    return lines


def with_best(text, runs):
    """The README's text with the best ratios to peers, one a case."""
    before, begin, rest = text.partition(BEST_BEGIN)
    _, end, after = rest.partition(BEST_END)
    if not begin or not end:
        raise ValueError(f"README has no lines {BEST_BEGIN!r} and {BEST_END!r}")
    rows = []
    for case, run in measured_cases(runs):
        peers = [c for c in comparisons(case) if c[1]["role"] == PEER and c[2] is not None]
        if peers:
            ours, peer, speed = max(peers, key=lambda one: one[2])
            rows.append((speed, case, ours, peer, run))
    rows.sort(key=lambda row: -row[0])
    cells = [
        (title_link(case, "docs/benchmarks.md"), named(ours), named(peer), speed_cell(speed))
        for speed, case, ours, peer, _ in rows[:BEST]
    ]
    lines = table(("what", "tfos", "peer", "times as fast"), cells)
    return before + begin + "\n".join(lines) + "\n" + end + after


def title_link(case, page=""):
    return f"[{title(case)}]({page}#{anchor(case['title'])})"


def title(case):
    """The case's title in Markdown: GitHub drops what looks like an HTML tag."""
    return case["title"].replace("<", r"\<")


def named(side):
    return f"`{side['name']}`: {side['what']}"


def anchor(title):
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def speed_cell(speed):
    return "not known" if speed is None else report.figure(speed)


def day(run):
    return run["date"][: len("2026-01-02")]


def commit(run):
    return f"`{run['tfos']['commit']}`"


def section(case, run, note):
    lines = [f"## {title(case)}", "", *(f"- {line}" for line in conditions(case, run))]
    for word in ("row", "counted", "clock"):
        lines.append(f"- {word}: {case[word]}")
    rows = [(report.ratio_name(ratio), *ratio_cells(ratio)) for ratio in case["ratios"]]
    if rows:
        lines += ["", *table(("ratio", "measured", "bar, goal"), rows)]
    rows = [(side["name"], side["role"], *side_cells(side), side["what"]) for side in case["sides"]]
    head = ("side", "role", f"cold, {case['unit']}", f"warm, {case['unit']}", "what")
    lines += ["", *table(head, rows)]
    for side in case["sides"]:
        lines += timeline(side) + measured(side)
    return [*lines, "", note] if note else lines


def conditions(case, run):
    """When, where and with which versions a case was measured."""
    host, settings = run["machine"], run["settings"]
    versions = report.versions({**run, "cases": [case]})
    lines = [
        f"measured: `{case['name']}`, {day(run)}, commit {commit(run)}, {settings['rows']} rows, "
        f"processes of each side: {settings['runs']}, "
        f"warm passes of a process: {settings['warm']}",
        f"machine: {host['cpus']} CPUs of {host['cpu']}, {host['memory_gib']} GiB",
    ]
    if versions:
        texts = (f"{name} {' and '.join(there)}" for name, there in versions.items())
        lines.append(f"versions: {', '.join(texts)}")
    return lines


def ratio_cells(ratio):
    value = "not known" if ratio["value"] is None else report.figure(ratio["value"])
    return value, report.verdict(ratio)


def side_cells(side):
    if side["did_not_run"]:
        return f"did not run: {side['did_not_run'].replace('|', '/')}", ""
    return tuple("" if side[w] is None else report.figure(side[w]) for w in ("cold", "warm"))


def timeline(side):
    """A job's events and their times, if the side reports them: medians over its processes."""
    found = [p["notes"]["at"] for p in side["processes"] if "at" in p["notes"]]
    if not found:
        return []
    rows, before = [], 0
    for event in found[0]:
        at = statistics.median(one[event] for one in found)
        rows.append((event, f"{at:.2f}", f"{at - before:.2f}"))
        before = at
    return ["", *table((f"{side['name']}: event", "at, s", "after the event before, s"), rows)]


def measured(side):
    """The side's other measurements: medians over its processes."""
    found = [p["notes"]["measured"] for p in side["processes"] if "measured" in p["notes"]]
    if not found:
        return []
    values = {name: statistics.median(one[name] for one in found) for name in found[0]}
    rows = [(name, report.figure(value)) for name, value in values.items()]
    return ["", *table((f"{side['name']}: what", "measured"), rows)]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]
