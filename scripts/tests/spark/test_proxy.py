"""Machines with proxies in their environment: what belongs to a run is reached without them.

All-reduce: test_strategies.py."""

import re
import urllib.request

import pytest
from harness import write_rows
from proxy import RefusingProxy
from test_programs import write

# Threads that hang on a proxy would wait for the stall time.
BOUNDS = "timeouts: {reservation: 90s, stall: 60s}"


@pytest.fixture
def proxy():
    with RefusingProxy() as one:
        yield one
        assert one.asked == []


def test_the_proxy_counts(proxy):
    """Its tests can fail: Python's own client goes to this proxy."""
    import urllib.error
    import urllib.request

    handler = urllib.request.ProxyHandler({"http": proxy.environment["http_proxy"]})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.build_opener(handler).open("http://tfos.invalid/", timeout=5)
    assert proxy.asked == ["GET http://tfos.invalid/ HTTP/1.1"]
    proxy.asked.clear()


@pytest.mark.slow
def test_parameter_servers(job, write_job, proxy):
    data = write_rows(job.folder / "data", 100, columns={})
    path = write_job("strategy_ps.py", data, members=3, spark="{}", more=BOUNDS)
    settings = ["strategy=parameter_server", "num_ps=1", "chief=true"]
    flags = (part for s in settings for part in ("--set", s))
    result = job.run("train", path, *flags, env=proxy.environment)
    assert result.code == 0, result.stderr
    assert (job.folder / "model" / "sum.txt").read_text() == str(sum(range(100)))
    job.assert_clean()


@pytest.mark.slow
def test_tensorboard(job, proxy):
    """It speaks gRPC to its own data server on this machine."""
    ended = job.folder / "ended"
    path = write(job, "until.py", [str(ended)], "tensorboard: true")
    job.start("train", path, env=proxy.environment)
    log = job.folder / "stderr.txt"
    url = job.wait_for(lambda: re.search(r"TensorBoard: (http\S+)", log.read_text()), what="URL")[1]
    with urllib.request.urlopen(url.rstrip("/") + "/data/runs", timeout=30) as page:
        assert page.read() == b"[]"
    ended.touch()
    result = job.wait()
    assert result.code == 0, result.stderr
    job.assert_clean()
