"""What tests of the benchmark share: sides that measure nothing, and runs of them."""

import json
from pathlib import Path

from case import Case, DidNotRun, Settings, Side
from measure import measure

BENCH = Path(__file__).resolve().parents[1] / "bench"


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


def run_of(*found):
    return {
        "date": "2026-01-02T03:04:05+00:00",
        "command": "bench",
        "settings": {"rows": "small", "runs": 3, "warm": 3},
        "machine": {"cpu": "A CPU", "cpus": 2, "memory_gib": 23.5, "kernel": "6.1"},
        "tfos": {"version": "tfos 1", "commit": "abc"},
        "cases": list(found),
    }
