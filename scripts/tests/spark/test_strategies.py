"""In every strategy each fed row is trained once an epoch: counted by the ids in the steps."""

import http.server
import itertools
import threading
import time
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import received, slow
from proxy import RefusingProxy

EPOCHS = 2
BATCH = 32
SIZES = [1000, 37, 2, 398]  # rows of the partitions
ROWS = sum(SIZES)
SERVERS = ["strategy=parameter_server", "num_ps=1"]


@pytest.fixture
def run(job, write_job, any_master):
    """Run a program on partitions of very different sizes; settings as for --set."""
    folder = job.folder / "data"
    folder.mkdir()
    first = 0
    for i, rows in enumerate(SIZES):
        ids = pa.array(range(first, first + rows), pa.int64())
        pq.write_table(pa.table({"id": ids}), folder / f"part-{i}.parquet")
        first += rows

    def run(program, members, *settings, args="{}", master=None, env=None):
        spark = f"{{master: '{master or any_master(members)}'}}"
        path = write_job(program, folder, members=members, epochs=EPOCHS, args=args, spark=spark)
        result = job.run("train", path, *(part for s in settings for part in ("--set", s)), env=env)
        assert result.code == 0, result.stderr
        job.assert_clean()
        return result

    return run


@pytest.mark.parametrize("datasets", ["from_batches", slow("from_function")])
def test_all_reduce(job, run, datasets):
    """With proxies in the environment: what belongs to a run is reached without them."""
    # Threads that hang on a proxy would wait for the stall time.
    settings = ["strategy=all_reduce", "timeouts.reservation=90s", "timeouts.stall=60s"]
    where = {"master": "local-cluster[2,2,1024]", "args": f"{{datasets: {datasets}}}"}
    with RefusingProxy() as proxy:
        result = run("strategy_all_reduce.py", 2, *settings, **where, env=proxy.environment)
        assert proxy.asked == []
    workers = [steps(job.folder / "model" / f"steps-{i}.txt") for i in range(2)]
    assert len(workers[0]) == len(workers[1])
    seen = Counter(i for worker in workers for step in worker for i in step)
    assert max(seen.values()) <= EPOCHS
    account = result.verdict["rows"]
    assert account["read"] == ROWS * EPOCHS
    assert account["trained"] == seen.total()
    assert account["read"] == account["trained"] + account["dropped"]
    assert account["dropped"] <= 6 * BATCH


def steps(path):
    return [[int(i) for i in line.split()] for line in path.read_text().splitlines()]


@pytest.fixture
def late_file():
    """The address of a file that is late for all who ask for it but the first four."""
    asked = itertools.count()

    class Late(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if next(asked) >= 4:
                time.sleep(8)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/late.txt"
        server.shutdown()
    assert next(asked) == 5  # the driver and four executors


def test_parameter_server_through_the_chief(job, run, late_file):
    """The last executor launches long after it has registered: its member waits for it."""
    settings = [*SERVERS, "chief=true", f"spark.conf.spark.files={late_file}"]
    result = run("strategy_ps.py", 4, *settings, master="local-cluster[4,2,1024]")
    assert "was placed on the executor of" not in result.stderr
    assert_each_row_once_an_epoch(job, result, ["chief:0"])
    total = EPOCHS * sum(range(ROWS))
    assert (job.folder / "model" / "sum.txt").read_text() == str(total)


def test_parameter_server_without_a_chief(job, run):
    result = run("strategy_ps_workers.py", 3, *SERVERS)
    assert_each_row_once_an_epoch(job, result, ["worker:0", "worker:1"])


@pytest.mark.slow
def test_independent(job, run):
    result = run("strategy_independent.py", 2, "strategy=independent")
    assert_each_row_once_an_epoch(job, result, ["worker:0", "worker:1"])


def assert_each_row_once_an_epoch(job, result, fed):
    """Every id as often as there are epochs, and the account says so; fed: who took rows."""
    seen = Counter(i for ids in received(job.folder / "model").values() for i in ids)
    assert seen == dict.fromkeys(range(ROWS), EPOCHS)
    account = result.verdict["rows"]
    assert account["read"] == account["trained"] == ROWS * EPOCHS
    assert account["dropped"] == 0
    assert sorted({feed["member"] for feed in result.verdict["feeds"]}) == fed
