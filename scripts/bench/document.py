"""Writes docs/benchmarks.md, its plots and the JSON they come from, from the JSON of runs.

What people have to say about a case's figures (a profile, the reason why a goal is not
reached) stands in docs/benchmarks/<case>.md and is taken in below its tables.
"""

import json
import statistics

import plots
import report

HEAD = """\
# Benchmarks

tfos beside its peers, and beside what none can exceed (limits), on the same rows. Written by
`make bench-docs` from [the JSON of runs](benchmarks/run.json): no figure here is typed in.

```
make bench        data in and out on reduced rows, in 10 minutes on 2 cores
make bench-full   everything
make bench-docs   this page, with the cases of the last run in the place of earlier ones
.venv/bin/python scripts/bench --list       the cases
.venv/bin/python scripts/bench spark_fed.floats --sides limit,dataset
```

No figure is a test: what else the machine does decides it as much as tfos, so the load before
each process is in the JSON. Each peer has a virtual environment of its own below `.bench`, pinned
in `scripts/bench/requirements`. Rows are random, and no two are the same. The sides of a case
take turns. Figures are medians: cold over processes, warm over all warm passes of all processes;
the line in a plot goes from the least to the most. A peer that did not run is shown with the
reason.
"""


def read(path):
    """The runs in a JSON file: of one run, or docs/benchmarks/run.json."""
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


def latest(runs):
    """The runs, each with those of its cases alone that no later one measured."""
    kept, seen = [], set()
    for found in reversed(runs):
        cases = [case for case in found["cases"] if case["name"] not in seen]
        seen.update(case["name"] for case in cases)
        if cases:
            kept.append({**found, "cases": cases})
    return kept[::-1]


def write(runs, docs):
    """docs/benchmarks.md, docs/benchmarks/run.json and docs/benchmarks/<case>.svg, of runs in
    the order of time."""
    runs = latest(runs)
    folder = docs / "benchmarks"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for found in runs:
        for case in found["cases"]:
            (folder / f"{case['name']}.svg").write_text(plots.svg(case))
    notes = {path.stem: path.read_text().strip() for path in sorted(folder.glob("*.md"))}
    (folder / "run.json").write_text(json.dumps(runs, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(markdown(runs, notes))


def markdown(runs, notes):
    """The page, the latest run first. notes: case -> what people say about it."""
    parts = [HEAD]
    for found in reversed(runs):
        parts += [f"## Run of {found['date']}\n", *(f"- {c}" for c in report.conditions(found))]
        parts += [*settings(found), "", *bars(found), ""]
    for found in reversed(runs):
        for case in found["cases"]:
            parts += [*section(case, found, notes.get(case["name"])), ""]
    return "\n".join(parts)


def settings(found):
    s = found["settings"]
    loads = [
        process["load_before"]
        for case in found["cases"]
        for side in case["sides"]
        for process in side["processes"]
    ]
    least, most = (report.figure(f(loads)) if loads else "-" for f in (min, max))
    return [
        f"- rows: {s['rows']}; processes of each side: {s['runs']}; "
        f"warm passes of a process: {s['warm']}",
        f"- load before a process: {least} to {most}",
    ]


def bars(found):
    """The ratios that have something to hold, of all cases of a run."""
    rows = [
        (case["name"], report.ratio_name(ratio), *ratio_cells(ratio))
        for case in found["cases"]
        for ratio in case["ratios"]
        if ratio["bar"] is not None or ratio["goal"] is not None
    ]
    return table(("case", "ratio", "measured", "bar, goal"), rows)


def section(case, found, note):
    lines = [f"## {case['title']}", "", f"`{case['name']}`, run of {found['date']}", ""]
    for word in ("row", "counted", "clock"):
        lines.append(f"- {word}: {case[word]}")
    rows = [(report.ratio_name(ratio), *ratio_cells(ratio)) for ratio in case["ratios"]]
    if rows:
        lines += ["", *table(("ratio", "measured", "bar, goal"), rows)]
    rows = [(side["name"], side["role"], *side_cells(side), side["what"]) for side in case["sides"]]
    head = ("side", "", f"cold, {case['unit']}", f"warm, {case['unit']}", "what")
    lines += ["", *table(head, rows)]
    for side in case["sides"]:
        lines += timeline(side) + measured(side)
    lines += ["", f"![{case['title']}](benchmarks/{case['name']}.svg)"]
    return [*lines, "", note] if note else lines


def ratio_cells(ratio):
    value = "not known" if ratio["value"] is None else report.figure(ratio["value"])
    return value, report.verdict(ratio)


def side_cells(side):
    if side["did_not_run"]:
        return f"did not run: {side['did_not_run'].replace('|', '/')}", ""
    return tuple("" if side[w] is None else report.figure(side[w]) for w in ("cold", "warm"))


def timeline(side):
    """When what happened in a job, where a side says it: medians over its processes."""
    found = [p["notes"]["at"] for p in side["processes"] if "at" in p["notes"]]
    if not found:
        return []
    rows, before = [], 0
    for event in found[0]:
        at = statistics.median(one[event] for one in found)
        rows.append((event, f"{at:.2f}", f"{at - before:.2f}"))
        before = at
    return ["", *table((f"{side['name']}: event", "at, s", "after the one before"), rows)]


def measured(side):
    """What a side measured beside its figures: medians over its processes."""
    found = [p["notes"]["measured"] for p in side["processes"] if "measured" in p["notes"]]
    if not found:
        return []
    values = {name: statistics.median(one[name] for one in found) for name in found[0]}
    rows = [(name, report.figure(value)) for name, value in values.items()]
    return ["", *table((f"{side['name']}: what", "measured"), rows)]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]
