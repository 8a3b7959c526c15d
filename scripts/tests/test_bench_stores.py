"""How the benchmark counts what stores are asked for, without a server."""

import servers
from cases import stores

MOTO = """\
127.0.0.1 - - [30/Nov/2026 07:04:05] "PUT /tfos-bench HTTP/1.1" 200 -
127.0.0.1 - - [30/Nov/2026 07:04:05] "PUT /tfos-bench/bench/a.parquet HTTP/1.1" 200 -
127.0.0.1 - - [30/Nov/2026 07:04:06] "GET /tfos-bench?list-type=2&prefix=bench HTTP/1.1" 200 -
127.0.0.1 - - [30/Nov/2026 07:04:06] "\x1b[33mHEAD /tfos-bench/bench/b HTTP/1.1\x1b[0m" 404 -
127.0.0.1 - - [30/Nov/2026 07:04:07] "\x1b[1m\x1b[36mGET /tfos-bench/a HTTP/1.1\x1b[0m" 206 -
127.0.0.1 - - [30/Nov/2026 07:04:08] "GET /other/a.parquet HTTP/1.1" 206 -
"""


def test_requests_for_the_bucket_are_counted():
    assert servers.requests_in(MOTO) == 4


def test_the_time_of_a_commit_is_read_from_the_go_benchmark():
    text = "goos: linux\nBenchmarkCommit/s3-2   \t       1\t5309988384 ns/op\nPASS\n"
    assert stores.RATE.findall(text) == [("s3", "5309988384")]
