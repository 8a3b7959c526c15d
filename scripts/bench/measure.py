"""Runs the sides of cases in turns and keeps what they measured."""

import shutil
import statistics
import time

import machine
from case import DidNotRun
from environments import ROOT


def measure(cases, settings, work, say):
    """Yields the results of each case, as the JSON file has them, when the case has run.

    The sides of a case take turns, each round in another order, so that a busy minute is in
    all of them. A side that did not run is not tried again. say(line) is called for each process.
    """
    for case in cases:
        yield _case(case, settings, work / case.name, say)


def _case(case, settings, work, say):
    kept = {side.name: {"processes": [], "did_not_run": None} for side in case.sides}
    for turn in range(settings.runs):
        for side in rotated(case.sides, turn):
            record = kept[side.name]
            if record["did_not_run"]:
                continue
            process = _process(case, side, settings, work / f"{side.name}-{turn}", say)
            if "did_not_run" in process:
                record["did_not_run"] = process["did_not_run"]
            else:
                record["processes"].append(process)
    return {
        **{key: getattr(case, key) for key in ("name", "title", "row", "counted", "clock", "unit")},
        "sides": [
            {"name": s.name, "role": s.role, "what": s.what, **summary(kept[s.name])}
            for s in case.sides
        ],
        "ratios": [
            ratio(r, {name: summary(record) for name, record in kept.items()}) for r in case.ratios
        ],
    }


def _process(case, side, settings, folder, say):
    """One process of a side: its sample, its load and its length.

    Its folder is kept when it did not run.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load, begin = machine.load(), time.monotonic()
    try:
        sample = side.run(folder, settings)
    except DidNotRun as err:
        why = str(err).replace(f"{ROOT}/", "")  # docs name no folder of this machine
        say(f"{case.name} {side.name}: did not run: {why}")
        return {"did_not_run": why}
    seconds = time.monotonic() - begin
    shutil.rmtree(folder, ignore_errors=True)  # an executor may still be ending
    figures = [x for x in (sample.cold, *sample.warm) if x is not None]
    say(f"{case.name} {side.name}: {', '.join(f'{x:,.4g}' for x in figures)} {case.unit}")
    return {
        "load_before": load,
        "seconds": round(seconds, 1),
        "cold": sample.cold,
        "warm": sample.warm,
        "notes": sample.notes,
    }


def rotated(items, turn):
    """items, beginning with another one each turn."""
    at = turn % len(items)
    return (*items[at:], *items[:at])


def summary(record):
    """A side's record with its medians: cold over processes, warm over all warm passes.

    None for a side of which a process did not run, whatever the others measured.
    """
    if record["did_not_run"]:
        return {**record, "cold": None, "warm": None}
    colds = [p["cold"] for p in record["processes"] if p["cold"] is not None]
    warms = [x for p in record["processes"] for x in p["warm"]]
    return {
        **record,
        "cold": statistics.median(colds) if colds else None,
        "warm": statistics.median(warms) if warms else None,
    }


def ratio(wanted, sides):
    """A Ratio with its value and whether its bar and its goal are held; None: not known."""
    of, to = (sides[name][when] for name, when in (wanted.of, wanted.to))
    value = of / to if of and to else None

    def held(least):
        return None if least is None or value is None else value >= least

    return {
        "of": list(wanted.of),
        "to": list(wanted.to),
        "value": value,
        "bar": wanted.bar,
        "held": held(wanted.bar),
        "goal": wanted.goal,
        "reached": held(wanted.goal),
    }
