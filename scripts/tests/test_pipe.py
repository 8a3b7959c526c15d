"""`tfos-node feed` beyond what it shares with the feed task in Python (test_feeder.py)."""

import base64
import subprocess

import piped
import pyarrow as pa
import pytest
from member import members
from tfos.feed import FeedClient

FEED = {"name": "train", "chunk_rows": 100, "balance": "equal", "repeatable": True}


def batches(count):
    for at in range(count):
        yield pa.RecordBatch.from_arrays([pa.array(range(at * 10, at * 10 + 10))], ["id"])


def run(binary, text):
    return subprocess.run([binary, "feed"], input=text, capture_output=True, timeout=60)


def test_partition_without_rows(node_binary):
    """Its task is given no line, not even who the members are."""
    task = run(node_binary, b"")
    result = piped.outcome(task, task.stdout, task.stderr, 4)
    assert result == {
        "partition": 4,
        "rows": 0,
        "sent": 0,
        "skipped": 0,
        "error": None,
        "note": None,
    }


def test_base64_in_short_lines(node_binary, member_binary):
    """As Spark versions write it that cannot do otherwise."""
    with members(member_binary, 1) as [one]:
        text = b""
        for line in piped.lines(FEED, 0, [one.described()], one.credentials, batches(5), 0):
            words = [
                b"\r\n".join(word[at : at + 76] for at in range(0, len(word), 76))
                for word in line.rstrip(b"\n").split(b" ")
            ]
            text += b" ".join(words) + (b"\n" if line.endswith(b"\n") else b" ")
        text = text.replace(b"  ", b" ")
        assert text.count(b"\r\n") > 10
        task = run(node_binary, text)
        assert piped.outcome(task, task.stdout, task.stderr, 0)["sent"] == 50
        one.end()
        with FeedClient(one.socket) as client:
            assert client.next_batch(100)["id"].tolist() == list(range(50))


@pytest.mark.parametrize("cut", ["in a line", "garbage"])
def test_broken_input_is_for_spark_to_try_again(node_binary, member_binary, cut):
    """An executor that dies ends its line anywhere; what came whole stays accepted."""
    with members(member_binary, 1) as [one]:
        args = FEED, 0, [one.described()], one.credentials
        text = b"".join(piped.lines(*args, batches(3), 0))
        text = text[:-7] if cut == "in a line" else text + base64.b64encode(b"x" * 99) + b"\n"
        task = run(node_binary, text)
        assert task.returncode == 1 and b"read batch" in task.stderr and task.stdout == b""
        received = one.counts()["Received"]
        assert received <= 30
        again = piped.feed_partition(node_binary, *args, batches(3), 0, 0)
        assert (again["rows"], again["skipped"]) == (30, received)


def test_credentials_are_not_in_arguments_or_environment(node_binary, member_binary):
    with members(member_binary, 1) as [one]:
        args = FEED, 0, [one.described()], one.credentials
        task = subprocess.Popen([node_binary, "feed"], stdin=-1, stdout=-1)
        with task:
            for line in piped.lines(*args, batches(1), 0):
                task.stdin.write(line)
            task.stdin.flush()
            while one.counts()["Received"] < 10:
                assert task.poll() is None
            for name in ("cmdline", "environ"):
                with open(f"/proc/{task.pid}/{name}", "rb") as file:
                    assert one.credentials["token"].encode() not in file.read()
            task.stdin.close()
            assert b'"sent":10' in task.stdout.read()
