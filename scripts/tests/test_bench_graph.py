"""The benchmark of graph programs (scripts/bench): clusters by hand, graphs, arithmetic."""

import json
import subprocess
import sys
from pathlib import Path

import clusters
import pyarrow.parquet as pq
import pytest
import python_path
import rows
from benching import BENCH
from case import DidNotRun, Settings
from cases import graph, graph_clusters, graph_memory
from waiting import wait_until

# Clusters by hand.


def python(code):
    """argv of a task that runs code, in which task is the task's name."""
    return lambda task: [sys.executable, "-c", f"task = {task!r}\n{code}"]


def test_tasks_get_their_places_and_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_OF_THE_USER", "1")
    code = (
        "import os, json, pathlib\n"
        f"names = ('TF_CONFIG', 'TF_NUM_INTRAOP_THREADS', 'TF_OF_THE_USER')\n"
        f"text = json.dumps([os.environ.get(name) for name in names])\n"
        f"pathlib.Path({str(tmp_path)!r}, task + '.json').write_text(text)\n"
    )
    clusters.run({"worker": 2, "chief": 1}, python(code), tmp_path)
    seen = {}
    for task in ("worker-0", "worker-1", "chief-0"):
        config, threads, user = json.loads((tmp_path / f"{task}.json").read_text())
        found = json.loads(config)
        assert (threads, user) == ("1", None)
        assert f"{found['task']['type']}-{found['task']['index']}" == task
        seen[task] = found["cluster"]
    assert seen["worker-0"] == seen["worker-1"] == seen["chief-0"]
    addresses = seen["chief-0"]["worker"] + seen["chief-0"]["chief"]
    assert len(set(addresses)) == 3


LASTING = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(3600)"


def ended(log):
    pid = int(log.read_text().split()[0])
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def test_servers_are_ended_when_the_others_are_done(tmp_path):
    code = f"import pathlib, time\nlog = pathlib.Path({str(tmp_path / 'ps-0.txt')!r})\n"
    code += "if task == 'ps-0':\n    " + LASTING.replace("\n", "\n    ")
    code += "\nwhile not log.read_text().endswith('\\n'): time.sleep(0.01)"
    clusters.run({"chief": 1, "ps": 1}, python(code), tmp_path, ("ps",))
    wait_until(lambda: ended(tmp_path / "ps-0.txt"))


@pytest.mark.parametrize(("job", "code"), [("worker", "{}['x']"), ("ps", "0")])
def test_a_task_that_fails_or_a_server_that_returns_ends_all(tmp_path, job, code):
    """Without a wait for the others, which would wait for it."""
    log = str(tmp_path / "other-0.txt")
    waits = f"import pathlib, time\nwhile not pathlib.Path({log!r}).read_text(): time.sleep(0.01)\n"
    tasks = (
        f"if task == 'other-0':\n    {LASTING.replace(chr(10), chr(10) + '    ')}\n{waits}{code}"
    )
    why = (
        r"KeyError: 'x' \(exit 1; see .*worker-0.txt\)"
        if job == "worker"
        else r"exit 0; see .*ps-0"
    )
    with pytest.raises(DidNotRun, match=why):
        clusters.run({"other": 1, job: 1}, python(tasks), tmp_path, ("ps",), seconds=60)
    wait_until(lambda: ended(tmp_path / "other-0.txt"))


def test_a_cluster_that_lasts_is_told(tmp_path):
    log = tmp_path / "worker-0.txt"
    lasting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    try:
        with pytest.raises(DidNotRun, match=r"not ended after 0\.2 s"):
            clusters.wait({log: (lasting, False)}, 0.2)
    finally:
        lasting.kill()
        lasting.wait()


# Graphs.


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The graph `small`, as the benchmark exports it."""
    folder = tmp_path_factory.mktemp("graph") / "model"
    argv = [sys.executable, BENCH / "programs" / "export_graph.py", "small", folder]
    env = python_path.environment(BENCH.parent)
    subprocess.run(argv, env=env, check=True, capture_output=True)
    return folder


def test_a_session_alone_takes_steps_in_both_ways(exported, tmp_path):
    """The peer fails unless each call is an update."""
    config = {
        "graph": str(exported),
        "signature": "train",
        "features": graph_memory.FEATURES,
        "batch": 32,
        "threads": 1,
        "passes": 2,
        "seconds": 0.1,
        "result": str(tmp_path / "result.json"),
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    argv = [sys.executable, BENCH / "peers" / "graph_session.py", tmp_path / "config.json"]
    subprocess.run(argv, check=True, capture_output=True)
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["way"] in ("constant", "fed")
    assert len(found["rates"]) == 2 and min(found["rates"]) > 0


def test_the_columns_of_rows_are_the_inputs_of_graphs(exported, tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    data = (exported / "saved_model.pb").read_bytes()
    meta = saved_model_pb2.SavedModel.FromString(data).meta_graphs[0]
    rows.write(tmp_path, graph.KIND, 8)
    assert set(meta.signature_def["train"].inputs) == set(pq.read_table(tmp_path).column_names)


# Arithmetic.


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_has_rows_for_all_its_steps(monkeypatch, size, workers):
    monkeypatch.setattr(graph, "graph", lambda kind: kind)
    monkeypatch.setattr(graph.rows, "parquet", lambda kind, size: size)
    for steps in (graph.STEPS, graph_clusters.STEPS, graph.WIDE_STEPS):
        job = graph.job("mlp", steps[size], Settings(size), workers)
        fed = job["epochs"] * rows.count(graph.KIND, size)
        assert fed >= job["steps"] * job["batch_size"] * workers


def verdict(**throughput):
    throughput = {
        "rows_per_s": 5_120,
        "step_p50_ms": 20,
        "step_p99_ms": 30,
        "feed_wait_percent": 2.5,
        **throughput,
    }
    return {"throughput": throughput, "train": {"steps": 200}, "spark": "3.5.9"}


def test_a_rate_is_that_of_the_rows():
    found = graph.sample(verdict(), graph_clusters.BATCH * 2, {})
    assert (found.cold, found.warm) == (None, [20])
    assert found.notes["measured"]["feed wait, % of the time"] == 2.5


def test_the_figure_of_the_feeds_wait_is_a_percentage(monkeypatch, tmp_path):
    monkeypatch.setattr(graph, "by_spark", lambda *_: graph.sample(verdict(), 1, {}))
    found = graph.feed_wait(tmp_path, Settings("small"))
    assert (found.cold, found.warm) == (None, [2.5])
    assert found.notes["measured"]["rows/s"] == 5_120
