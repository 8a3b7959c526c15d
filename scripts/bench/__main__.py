"""Measures tfos beside its peers: `python scripts/bench [CASE ...]`.

A CASE is a name that --list shows, or the part of a name before its dot. The command prints a
report, ratios first, and writes it as JSON. `--docs FILE...` writes docs/benchmarks.md, its
plots and the best ratios of README.md from such JSON. Exit status 1: a side of tfos did not run.
A missed bar does not change the exit status.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import signal
import sys

import cases
import document
import machine
import report
from case import TFOS, Settings
from environments import ROOT
from measure import measure

OUT = ROOT / ".build" / "bench"


def main(argv):
    options = parse(argv)
    if options.docs:
        runs = [found for path in options.docs for found in document.read(path)]
        document.write(runs, ROOT / "docs", ROOT / "README.md")
        return 0
    chosen = [only(c, options.sides) for c in cases.ALL if wanted(c.name, options.names)]
    if options.list:
        for case in chosen:
            print(f"{case.name:<24}{case.title}: {', '.join(s.name for s in case.sides)}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: children end first
    settings = Settings(options.rows, options.runs, options.warm)
    found = {
        "date": machine.now(),
        "command": "python scripts/bench " + " ".join(argv),
        "settings": vars(settings),
        "machine": machine.describe(),
        "tfos": machine.tfos(),
        "load_before": machine.load(),
    }
    options.json = options.json.absolute()
    work = options.json.with_suffix(".work")  # folders of processes that did not run stay there
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    found["cases"] = []
    for result in measure(chosen, settings, work, say):
        found["cases"].append(result)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report.text(found))
    print(f"written: {options.json}")
    return 1 if failed(found) else 0


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="CASE", help="what to measure (everything)")
    parser.add_argument("--list", action="store_true", help="list the cases and their sides")
    parser.add_argument("--sides", metavar="SIDE,…", help="only these sides, and their ratios")
    parser.add_argument("--rows", choices=("small", "full"), default="full", help="(full)")
    parser.add_argument("--runs", type=int, default=3, help="processes of each side (3)")
    parser.add_argument("--warm", type=int, default=3, help="warm passes of a process (3)")
    parser.add_argument(
        "--json", type=pathlib.Path, default=OUT / "bench.json", help="(.build/bench/bench.json)"
    )
    parser.add_argument(
        "--docs",
        type=pathlib.Path,
        nargs="+",
        metavar="JSON",
        help="write docs from the JSON of runs, later ones last, and end",
    )
    options = parser.parse_args(argv)
    unknown = [n for n in options.names if not any(wanted(c.name, [n]) for c in cases.ALL)]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}: see --list")
    if options.runs < 1 or options.warm < 1:
        parser.error("--runs and --warm: at least 1")
    return options


def wanted(name, names):
    """Whether a case is chosen: by its name, by its first part, or because nothing is."""
    return not names or name in names or name.partition(".")[0] in names


def only(case, names):
    """A case with some of its sides; names: with commas, None: all."""
    if names is None:
        return case
    sides = tuple(side for side in case.sides if side.name in names.split(","))
    there = {side.name for side in sides}
    ratios = tuple(r for r in case.ratios if {r.of[0], r.to[0]} <= there)
    return dataclasses.replace(case, sides=sides, ratios=ratios)


def failed(found):
    """Whether a side of tfos did not run."""
    sides = (side for case in found["cases"] for side in case["sides"])
    return any(side["role"] == TFOS and side["did_not_run"] for side in sides)


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
