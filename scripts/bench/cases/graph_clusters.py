"""Graph programs of several members, beside TensorFlow's strategies by hand."""

import functools

import clusters
import jobs
from case import PEER, TFOS, Case, DidNotRun, Ratio, Sample, Side

from cases.graph import BATCH, PACE, ROW, job, sample, steps_text

WORKERS = 2
# So many that the first steps, which only tfos has in its clock, do not count.
STEPS = {"small": 3_000, "full": 10_000}
TOGETHER = {"by_hand": 1, "by_hand_50": 50}  # steps of a call
CLOCK = f"{PACE} by hand: after a warm-up, from a step's begin to the last one's end."


def by_tfos(keys, unit_rows, folder, settings):
    """Steps per second of a cluster whose members have a core each."""
    steps = STEPS[settings.rows]
    verdict = jobs.by_tfos(folder, {**job("mlp", steps, settings, WORKERS), **keys})
    if verdict["train"]["steps"] != steps:
        raise DidNotRun(f"{verdict['train']['steps']} steps of {steps}")
    return sample(verdict, unit_rows, {"pyspark": verdict["spark"]})


def run_by_hand(script, tasks, serving, together, folder, settings):
    """Steps per second of processes with TF_CONFIG; the slowest task's that tells."""
    found = clusters.peers(
        "tensorflow",
        script,
        folder,
        tasks,
        serving,
        programs=str(jobs.PROGRAMS),
        rows=BATCH,
        workers=WORKERS,
        steps=STEPS[settings.rows],
        together=together,
    )
    versions = next(iter(found.values()))["versions"]
    return Sample(None, [min(one["rate"] for one in found.values())], {"versions": versions})


def by_hand(script, tasks, serving=()):
    """The sides of a cluster by hand, which differ in how many steps a call takes."""
    return tuple(
        Side(
            name,
            PEER,
            "one step a call, batch in memory" if together == 1 else f"{together} steps a call",
            functools.partial(run_by_hand, script, tasks, serving, together),
        )
        for name, together in TOGETHER.items()
    )


CASES = (
    Case(
        name="graph.all_reduce",
        title="Graph program: all_reduce, MLP 784-128-10, Adam, 2 workers",
        row=ROW,
        counted=f"steps of all workers together, {steps_text(STEPS)}; one thread a worker",
        clock=CLOCK,
        unit="steps/s",
        sides=(
            Side(
                "tfos",
                TFOS,
                "app.graph, fed by Spark",
                functools.partial(
                    by_tfos,
                    {"strategy": "all_reduce", "cluster_size": WORKERS},
                    BATCH * WORKERS,
                ),
            ),
            *by_hand("graph_mirrored.py", {"worker": WORKERS}),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("by_hand", "warm"), bar=1),
            Ratio(("tfos", "warm"), ("by_hand_50", "warm"), goal=1),
        ),
    ),
    Case(
        name="graph.parameter_server",
        title="Graph program: parameter_server, MLP 784-128-10, Adam, 1 server, 2 workers",
        row=ROW,
        counted=f"steps of both workers, {steps_text(STEPS)}; one thread a task",
        clock=CLOCK,
        unit="steps/s",
        sides=(
            Side(
                "tfos",
                TFOS,
                "app.graph, fed by Spark",
                functools.partial(
                    by_tfos,
                    {"strategy": "parameter_server", "num_ps": 1, "cluster_size": WORKERS + 1},
                    BATCH,
                ),
            ),
            *by_hand(
                "graph_servers.py", {"chief": 1, "ps": 1, "worker": WORKERS}, ("ps", "worker")
            ),
        ),
        ratios=(
            Ratio(("tfos", "warm"), ("by_hand", "warm"), bar=1, goal=3),
            Ratio(("tfos", "warm"), ("by_hand_50", "warm"), goal=1),
        ),
    ),
)
