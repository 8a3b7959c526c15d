"""The examples whose members serve or watch: parameter_server, evaluator, model_parallel."""

import json
import math
import re
from collections import Counter

import pytest
from harness import ROOT, accuracy, flags

ROWS, HELD_OUT = 1437, 360  # digits


@pytest.fixture
def run(job, digits, any_master):
    """Run an example with its outputs in the test's folder."""
    runs = 0

    def run(name, **settings):
        nonlocal runs
        runs += 1
        job.run_id = f"{name}-{runs}".replace("_", "-")
        model = {"model_dir": job.folder / "model", "spark.master": any_master(4)}
        if name == "evaluator":
            feeds = {"train": "train", "validation": "test"}
            paths = {f"input.{feed}.path": digits / part for feed, part in feeds.items()}
        else:
            paths = {"input.path": digits / "train", "export_dir": job.folder / "export"}
        settings = {**model, **paths, **settings}
        sets = flags("--set", settings)
        result = job.run("train", ROOT / "configs" / "examples" / name / "job.yaml", *sets)
        assert result.code == 0, result.stderr
        job.assert_clean()
        return result

    return run


def test_parameter_server(job, run, digits):
    result = run("parameter_server", epochs=4)
    assert trained(result) == {("chief:0", "train"): 4 * ROWS}
    assert result.verdict["rows"]["dropped"] == 0
    assert last_step(job) == steps_of(4)
    assert result.verdict["artifacts"] == [
        {"kind": "saved_model", "path": str(job.folder / "export")}
    ]
    assert accuracy(job.folder / "export", digits) > 0.9


def test_evaluator_scores_every_checkpoint(job, run):
    result = run("evaluator", epochs=4, **{"app.python.args.checkpoint_steps": 30})
    account = result.verdict["rows"]
    assert account["read"] == 4 * ROWS + HELD_OUT
    assert account["read"] == account["trained"] + account["dropped"]
    rows = trained(result)
    assert rows["evaluator:0", "validation"] == HELD_OUT
    assert rows["worker:0", "train"] == rows["worker:1", "train"]
    last = last_step(job)
    # A last batch of 32 rows for both workers is two steps of 16.
    assert last - rows["worker:0", "train"] // 32 in (0, 1)
    scores = read_scores(job)
    assert [score["step"] for score in scores] == [*range(30, last, 30), last]
    assert scores[-1]["accuracy"] > 0.9
    assert list((job.folder / "model" / "validation").glob("events.out.tfevents.*"))


def test_model_parallel_runs_where_it_is_told_to(job, run, digits):
    result = run("model_parallel", epochs=4)
    assert trained(result) == {("chief:0", "train"): 4 * ROWS}
    assert last_step(job) == steps_of(4)
    assert accuracy(job.folder / "export", digits) > 0.9
    devices = json.loads((job.folder / "model" / "devices.json").read_text())
    homes = {"embedding": ("ps", 0), "lower": ("worker", 0), "upper": ("worker", 1)}
    for name, device in devices["variables"].items():
        task, index = homes[re.match("embedding|lower|upper", name)[0]]
        assert device == f"/job:{task}/replica:0/task:{index}/device:CPU:0", name
    operations = devices["operations"]
    for part, kind in [("embedding", "Gather"), ("lower", "MatMul"), ("upper", "MatMul")]:
        task, index = homes[part]
        forward = {op: d for op, d in operations.items() if op.startswith(part) and kind in op}
        back = {op: d for op, d in operations.items() if op.startswith(f"gradient_tape/{part}")}
        assert forward and back
        assert {*forward.values(), *back.values()} == {f"/job:{task}/task:{index}"}, part


@pytest.mark.slow
@pytest.mark.parametrize("example", ["parameter_server", "evaluator", "model_parallel"])
def test_resume(job, run, example):
    run(example, epochs=1)
    first = last_step(job)
    run(example, epochs=1)
    assert last_step(job) >= 2 * first - 2  # synchronous training drops the last rows
    if example == "evaluator":
        steps = [score["step"] for score in read_scores(job)]
        assert steps == sorted(set(steps))
        assert steps[-1] == last_step(job)


def steps_of(epochs):
    return math.ceil(epochs * ROWS / 32)


def trained(result):
    """(member, feed) -> rows trained in all epochs."""
    rows = Counter()
    for feed in result.verdict["feeds"]:
        rows[feed["member"], feed["feed"]] += feed["trained"]
    return rows


def read_scores(job):
    lines = (job.folder / "model" / "scores.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def last_step(job):
    """Of the newest checkpoint: its file name ends with it."""
    state = (job.folder / "model" / "checkpoint").read_text().splitlines()
    return int(state[0].rpartition("-")[2].strip('"'))
