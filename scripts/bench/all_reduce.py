"""What tfos costs a synchronous job: `make bench-train`.

1. The same program (programs/mirrored.py, two workers) by tfos and by hand, in turns: steps
   per second inside the program, and the ratio of the medians.
2. A job whose program does nothing: where the time goes between the SparkContext and its end.

Prints a report, writes .build/bench/all_reduce.json. Exit status 1: a run failed. No figure
fails it: they depend on what else the machine does (the load is in the report).
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import sys

from runs import RunFailed, by_hand, by_tfos
from timeline import timeline

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / ".build" / "bench"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (5)")
    parser.add_argument("--steps", type=int, default=3000, help="timed steps of a run (3000)")
    options = parser.parse_args()
    work = OUT / "work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        report = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "all_reduce": all_reduce(work, options.rounds, options.steps),
            "overhead": overhead(work, options.rounds),
        }
    except RunFailed as err:
        print(f"bench: {err}", file=sys.stderr)
        return 1
    path = OUT / "all_reduce.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    show(report)
    print(f"written: {path}")
    return 0


def all_reduce(work, rounds, steps):
    """Runs by tfos and by hand, in turns. By hand with the threads that tfos has set."""
    runs = []
    for i in range(rounds):
        for how in ("tfos", "hand"):
            folder = work / f"{how}-{i}"
            folder.mkdir(parents=True)
            load = os.getloadavg()[0]
            if how == "tfos":
                verdict = by_tfos(folder, "mirrored.py", [steps])[0]
            else:
                by_hand(folder, "mirrored.py", [steps], runs[0]["threads"])
            run = {"how": how, "load_before": load, **result(folder)}
            if how == "tfos":
                run["seconds"] = verdict["seconds"]
            runs.append(run)
            print(f"{how} {i + 1}: {run['steps_per_second']:.1f} steps/s", file=sys.stderr)
    medians = {
        how: statistics.median(run["steps_per_second"] for run in runs if run["how"] == how)
        for how in ("tfos", "hand")
    }
    return {
        "ratio": medians["tfos"] / medians["hand"],
        "medians": medians,
        "steps": steps,
        "runs": runs,
    }


def result(folder):
    """What the two workers wrote, as one; they go in lockstep."""
    first, second = (json.loads((folder / "out" / f"worker-{i}.json").read_text()) for i in (0, 1))
    if first["replicas"] != 2 or first["threads"] != second["threads"]:
        raise RunFailed(f"{folder}: not two workers of one job: {first}, {second}")
    return {**first, "steps_per_second": min(first["steps_per_second"], second["steps_per_second"])}


def overhead(work, rounds):
    """Jobs whose program does nothing: seconds since the SparkContext was ready, by event."""
    runs = []
    for i in range(rounds):
        folder = work / f"nothing-{i}"
        folder.mkdir(parents=True)
        load = os.getloadavg()[0]
        runs.append({"load_before": load, **timeline(folder)})
        print(f"nothing {i + 1}: {runs[-1]['at']['stopped']:.1f} s", file=sys.stderr)
    medians = {
        event: statistics.median(run["at"][event] for run in runs) for event in runs[0]["at"]
    }
    return {"medians": medians, "runs": runs}


def machine():
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {"cpu": cpu, "cpus": os.cpu_count(), "python": platform.python_version()}


def show(report):
    speed, over = report["all_reduce"], report["overhead"]
    host, last = report["machine"], speed["runs"][-1]
    print(
        f"ratio {speed['ratio']:.3f} (tfos {speed['medians']['tfos']:.1f} steps/s, by hand "
        f"{speed['medians']['hand']:.1f}: medians of {len(speed['runs']) // 2} runs of "
        f"{speed['steps']} steps)"
    )
    for how in ("tfos", "hand"):
        rates = (f"{run['steps_per_second']:.1f}" for run in speed["runs"] if run["how"] == how)
        print(f"  {how}: {', '.join(rates)}")
    print("a job that does nothing, seconds since the SparkContext was ready:")
    before = 0
    for event, at in over["medians"].items():
        print(f"  {event:<11}{at:7.2f}  (+{at - before:.2f})")
        before = at
    loads = [run["load_before"] for run in speed["runs"] + over["runs"]]
    print(
        f"{host['cpus']} x {host['cpu']}, Python {host['python']}, "
        f"TensorFlow {last['versions']['tensorflow']}, Keras {last['versions']['keras']}, "
        f"Spark {over['runs'][0]['spark']}, threads {last['threads']}, "
        f"load before the runs {min(loads):.1f} to {max(loads):.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
