"""What the benchmark runs and watches (scripts/bench): child processes, and what they say."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import jobs
import processes
import pytest
import usage
from benching import BENCH
from case import DidNotRun
from cases import files
from waiting import wait_until


def test_results_of_a_go_benchmark():
    text = (
        "goos: linux\nBenchmarkTFRecordRead-2 \t 1\t 64578 ns/op\t 464588 rows/s\t 12 B/op\n"
        "BenchmarkTFRecordRead-2 \t 1\t 7 ns/op\t 1.2e+06 rows/s\nPASS\n"
    )
    assert files.go_rates(text) == [464588, 1.2e6]


def test_spark_jobs_of_one_group():
    def start(number, group, at):
        properties = {"spark.jobGroup.id": group} if group else None
        return {
            "Event": "SparkListenerJobStart",
            "Job ID": number,
            "Submission Time": at,
            "Properties": properties,
        }

    def end(number, at):
        return {"Event": "SparkListenerJobEnd", "Job ID": number, "Completion Time": at}

    log = [start(0, None, 1), start(1, "feed", 2000), start(2, "other", 2500), end(2, 2600)]
    log += [
        end(1, 3000),
        start(3, "feed", 4000),
        end(0, 4100),
        end(3, 5500),
        start(4, "feed", 6000),
    ]
    assert jobs.spark_jobs(log, "feed") == [(2.0, 3.0), (4.0, 5.5)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("a\nTraceback\n  File x\nValueError: 3 rows\n26/01/01 INFO bye\n", "ValueError: 3 rows"),
        (
            "pyspark.errors.AnalysisException: [X] no\n\n",
            "pyspark.errors.AnalysisException: [X] no",
        ),
        ("only this\n", "only this"),
        ("", "it said nothing"),
    ],
)
def test_why_a_process_failed(said, why):
    assert processes.error_line(said) == why


def test_a_process_that_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.environments, "ROOT", tmp_path)
    with pytest.raises(DidNotRun, match=r"KeyError: 'x' \(exit 1; see log.txt\)"):
        processes.run([sys.executable, "-c", "{}['x']"], tmp_path / "log.txt")


def test_a_process_that_lasts_leaves_nothing(tmp_path, monkeypatch):
    """Its time is over when it has said which child it has."""
    log = tmp_path / "log.txt"

    class Lasting(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is None:
                return super().wait()
            wait_until(lambda: log.read_text().endswith("\n"))
            raise subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(processes, "subprocess", types.SimpleNamespace(**vars(subprocess)))
    monkeypatch.setattr(processes.subprocess, "Popen", Lasting)
    child = "import subprocess, time; print(subprocess.Popen(['sleep', '3600']).pid, flush=True); "
    with pytest.raises(DidNotRun, match="not ended after 2 s"):
        processes.run([sys.executable, "-c", child + "time.sleep(3600)"], log, seconds=2)
    wait_until(lambda: ended(int(log.read_text())))


def ended(pid):
    """Whether a process has ended; that of a zombie has no command line."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def test_a_process_gets_as_many_cpus_as_it_is_given(tmp_path):
    code = "import os; print(len(os.sched_getaffinity(0)))"
    processes.run([sys.executable, "-c", code], tmp_path / "log.txt", cpus=1)
    assert (tmp_path / "log.txt").read_text() == "1\n"


@pytest.fixture
def two_runs(tmp_path):
    """A process of a run whose folder is tmp_path, and one of another run. Both have 64 MiB and
    used 0.3 s of CPU."""
    code = (
        "import time; held = bytearray(64 << 20)\n"
        "while time.process_time() < 0.3: pass\n"
        "print(flush=True); time.sleep(3600)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, command],
            env={**os.environ, "MARK": mark},
            stdout=subprocess.PIPE,
        )
        for mark, command in [(str(tmp_path), "/tfos-node run"), ("other", "/tfos-engine run")]
    ]
    try:
        for child in children:
            child.stdout.readline()
        yield
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_watch_sees_the_processes_of_a_run(two_runs, tmp_path):
    """Kinds by command line, only those with the mark, and what the kernel counts of them."""
    watch = usage.Watch(tmp_path)
    for _ in range(6):
        watch.look()
    assert 64 < watch.peak("tfos-node run") < 200
    assert abs(watch.growth("tfos-node run")) < 10
    assert watch.bytes(["tfos-node run"]) > 0
    assert 0.2 <= watch.cpu("tfos-node run") < 3
    for other in ("tfos-engine", "driver JVM"):
        assert watch.peak(other) == watch.cpu(other) == watch.bytes([other]) == 0


def test_watch_looks_until_it_is_told_to_end(two_runs, tmp_path):
    with usage.watching(tmp_path) as watch:
        wait_until(lambda: watch.peak("tfos-node run"))


PEER = """\
import json, peer, subprocess, sys
busy = "import time\\nwhile time.process_time() < 0.6: pass"
work = lambda: subprocess.run([sys.executable, "-c", busy], check=True)
print(json.dumps(peer.measured(work, 10, 2)))
"""


def test_peers_tell_the_cpu_of_all_their_processes():
    """In a session of its own, as the benchmark starts peers: all of a session is counted."""
    child = subprocess.run(
        [sys.executable, "-c", PEER],
        cwd=BENCH / "peers",
        start_new_session=True,
        capture_output=True,
        check=True,
    )
    found = json.loads(child.stdout)
    assert len(found["rates"]) == len(found["cpu_us"]) == 2
    for rate, cpu in zip(found["rates"], found["cpu_us"], strict=True):
        assert rate < 20
        assert 50_000 <= cpu < 500_000
