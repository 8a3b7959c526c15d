"""Feed tasks in Python decide as those in Go: both go through the scenarios of decisions.json."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tfos import decisions, feeder, frames
from tfos.links import Link

ROOT = Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "internal/feed/task/testdata/decisions.json").read_text())


def scenarios(kind):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c["name"]) for c in TABLE[kind]])


def test_constants():
    names = ("min_rows", "grown_bytes", "grown_part", "unacked", "hello_seconds")
    assert TABLE["constants"] == {name: getattr(decisions, name.upper()) for name in names}


@scenarios("cuts")
def test_cut(case):
    cutter = decisions.Cutter(case["least_rows"], case["members"], case["held"])
    for batch in case["batches"]:
        chunks = cutter.cut(batch["rows"], batch["bytes"], batch["sent"])
        assert [list(chunk) for chunk in chunks] == batch["chunks"]
        assert cutter.skipped == batch["skipped"]
    assert cutter.rows == sum(batch["rows"] for batch in case["batches"])


@scenarios("choices")
def test_choose(case):
    links = [link(index, **member) for index, member in enumerate(case["members"])]
    task = SimpleNamespace(sent=0)
    first = 0
    for step in case["steps"]:
        if "send" in step:
            rows = step["send"]
            equal = case["balance"] != "demand"
            chosen = decisions.choose(links, rows, case["chunk_rows"], equal, case["turn"])
            assert (chosen and links.index(chosen)) == step["to"], step
            if chosen is not None:
                chosen.put(first, rows, memoryview(bytes(step["bytes"])))
                first += rows
        elif "over" in step:
            assert decisions.over(links) == step["over"]
        elif "sent" in step:
            assert task.sent == step["sent"]
        elif "written" in step:
            links[step["member"]].out.clear()
        elif step.get("refused"):
            with pytest.raises(frames.ProtocolError):
                handle(task, links, step)
        else:
            handle(task, links, step)


def link(index, credit, rows, local):
    made = Link({"job": "worker", "index": index}, None, local)
    made.credit, made.total = credit, rows
    return made


def handle(task, links, step):
    """A frame of a member."""
    if "ack" in step:
        typ, payload = frames.ACK, frames.ACK_BODY.pack(*step["ack"])
    elif "credit" in step:
        typ, payload = frames.CREDIT, frames.CREDIT_BODY.pack(step["credit"])
    else:
        typ, payload = frames.STOP, json.dumps(step["stop"]).encode()
    feeder._Feeder._handle(task, links[step["member"]], typ, payload)
