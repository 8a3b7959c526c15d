"""The feed that is read again and again: passes, the account, the file, who waits for whom."""

import errno
import os
import threading
import time
import types

import numpy as np
import pyarrow as pa
import pytest
from member import mark, members, push
from tfos import replay
from tfos.feed import DataError, DataFeed
from tfos.replay import ReplayFeed
from waiting import SECONDS, Call, wait_until


def batches(feed, n):
    while (batch := feed.next_batch(n)) is not None:
        yield batch["id"].tolist()


def one_pass(feed, n):
    return list(batches(feed, n))


def test_passes_are_equal_and_whole(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, chunk_rows=7, id=range(25))
        one.end()
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            wanted = [list(range(10)), list(range(10, 20)), list(range(20, 25))]
            assert [one_pass(feed, 10) for _ in range(3)] == [wanted] * 3
            assert [len(b) for b in one_pass(feed, 25)] == [25]
        assert one.account() == (25, 25, 0)


def test_takes_everything_though_nobody_reads(member_binary, tmp_path):
    before = pa.total_allocated_bytes()
    with members(member_binary, 1, queue_bytes=1 << 16) as [one]:
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            Call(push, one, chunk_rows=1000, id=range(100_000)).result()  # 12 times the queue
            one.end()
            wait_until(lambda: feed._recording.complete)
            assert pa.total_allocated_bytes() - before < 10 * 8000  # on disk, not in memory
            assert sum(map(len, one_pass(feed, 30_000))) == 100_000
        assert one.account() == (100_000, 100_000, 0)


def test_rows_count_as_trained_once(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, id=range(1000))
        one.end()
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            for rows in (130, 40):
                one_pass = feed._start()
                for _ in range(rows // 10):
                    feed._next(one_pass, 10)
        assert one.account() == (1000, 130, 870)


def test_readers_wait_for_rows(member_binary, tmp_path):
    with members(member_binary, 1) as [one], ReplayFeed(one.socket, "train", tmp_path) as feed:
        got = []
        reader = threading.Thread(target=lambda: got.extend(batches(feed, 10)))
        reader.start()
        push(one, id=range(15))
        wait_until(lambda: got)
        time.sleep(0.2)
        assert got == [list(range(10))]
        push(one, partition=1, id=range(15, 18))
        one.end()
        reader.join(SECONDS)
        assert got[1:] == [list(range(10, 18))]


def test_should_stop_tells_each_end_once(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, id=range(5))
        one.end()
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            face, rows = DataFeed(feed), []
            for _ in range(2):
                while not face.should_stop():
                    rows += [row[0] for row in face.next_batch(2)]
        assert rows == [0, 1, 2, 3, 4] * 2


@pytest.mark.parametrize("k", [1, 2])
def test_passes_of_all_workers_have_the_same_steps(member_binary, tmp_path, k):
    with members(member_binary, 2, synchronous=True, batch_rows=10) as started:
        push(started[0], id=range(35))
        push(started[1], id=range(70))
        mark(started, final=True)
        wanted = {1: [10, 10, 10], 2: [20, 10]}[k]
        for one in started:
            with ReplayFeed(one.socket, "train", tmp_path) as feed:
                assert [len(b) for b in one_pass(feed, 10 * k)] == wanted
                one.ask("stop", reason="over")  # it would refuse every step from now on
                assert [len(b) for b in one_pass(feed, 10 * k)] == wanted
        assert [one.account() for one in started] == [(35, 30, 5), (70, 30, 40)]


def test_terminate(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, id=range(50))
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            feed.next_batch(10)
            waiting = threading.Thread(target=feed.next_batch, args=(100,))
            waiting.start()
            time.sleep(0.2)
            Call(feed.terminate).result()  # wakes it
            waiting.join(SECONDS)
            assert feed.next_batch(10) is None
            assert feed.next_batch(10) is None
            assert feed.should_stop()
        one.settle()
        assert one.ask("counts")[0]["Stopped"]


def test_bad_rows_are_named(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, partition=4, id=[*range(90), None])
        one.end()
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            with pytest.raises(
                DataError, match="train, epoch 0: column id: null in row 90 of part"
            ):
                one_pass(feed, 10)
            assert "partition 4" in str(feed.data_error)


def test_several_epochs_are_refused(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, id=range(5))
        one.end(0, last=False)
        with (
            ReplayFeed(one.socket, "train", tmp_path) as feed,
            pytest.raises(RuntimeError, match="feed train: several epochs"),
        ):
            feed.next_batch(10)


def test_member_that_vanishes_raises(member_binary, tmp_path):
    with members(member_binary, 1) as [one]:
        push(one, id=range(5))
        with ReplayFeed(one.socket, "train", tmp_path) as feed:
            feed.next_batch(5)
            one.process.kill()
            with pytest.raises(ConnectionError, match="feed train"):
                feed.next_batch(1)


class TestFile:
    def open_files(self, folder):
        """Bytes of this process's files in the folder, deleted ones too."""
        found = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{fd}").startswith(str(folder)):
                    found.append(os.stat(f"/proc/self/fd/{fd}").st_size)
            except OSError:
                continue  # listdir's own
        return found

    def test_nothing_stays(self, member_binary, tmp_path):
        with members(member_binary, 1) as [one]:
            push(one, id=range(1000))
            one.end()
            with ReplayFeed(one.socket, "train", tmp_path) as feed:
                assert len(one_pass(feed, 10)) == 100
                [size] = self.open_files(tmp_path)
                assert size >= 8000
                assert os.listdir(tmp_path) == []  # not even if this process is killed
            assert self.open_files(tmp_path) == []
            with pytest.raises(ConnectionError, match="feed train: it is closed"):
                feed.next_batch(1)

    def test_nothing_stays_of_a_failed_creation(self, member_binary, tmp_path):
        with members(member_binary, 1) as [one]:
            with pytest.raises(RuntimeError, match="no feed 'x'"):
                ReplayFeed(one.socket, "x", tmp_path)
            assert (os.listdir(tmp_path), self.open_files(tmp_path)) == ([], [])
            with pytest.raises(FileNotFoundError):
                ReplayFeed(one.socket, "train", tmp_path / "missing")
            Call(one.settle).result()  # the connection is closed
            assert not [t for t in threading.enumerate() if t.name.startswith("feed ")]

    def test_full_disk_stops_the_feed_and_not_its_task(self, member_binary, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(replay, "os", types.SimpleNamespace(pwrite=full))
        with (
            members(member_binary, 1, queue_bytes=1 << 16) as [one],
            ReplayFeed(one.socket, "train", tmp_path) as feed,
        ):
            Call(push, one, chunk_rows=1000, id=range(100_000)).result()
            with pytest.raises(OSError, match=r"feed train: its rows in .*: No space left"):
                feed.next_batch(10)

    def test_a_reader_at_close_is_told(self, member_binary, tmp_path):
        with members(member_binary, 1) as [one]:
            feed, errors = ReplayFeed(one.socket, "train", tmp_path), []

            def read():
                try:
                    feed.next_batch(1)
                except ConnectionError as e:
                    errors.append(str(e))

            reader = threading.Thread(target=read)
            reader.start()
            time.sleep(0.1)
            feed.close()
            reader.join(SECONDS)
            assert errors == ["feed train: it is closed"]


class TestDataset:
    def test_each_iteration_is_one_pass(self, member_binary, tmp_path):
        tf = pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, chunk_rows=7, id=range(25), x=[[float(i), 0.0] for i in range(25)])
            one.end()
            with ReplayFeed(one.socket, "train", tmp_path) as feed:
                dataset = feed.dataset(10)
                assert dataset.element_spec["x"] == tf.TensorSpec((None, 2), tf.float64)
                policy = dataset.options().experimental_distribute.auto_shard_policy
                assert policy == tf.data.experimental.AutoShardPolicy.OFF
                for _ in range(2):
                    ids = [b["id"].tolist() for b in dataset.as_numpy_iterator()]
                    assert [len(b) for b in ids] == [10, 10, 5]
                    assert np.concatenate(ids).tolist() == list(range(25))
            assert one.account() == (25, 25, 0)

    def test_breaking_off_starts_a_new_pass(self, member_binary, tmp_path):
        pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, id=range(100))
            one.end()
            with ReplayFeed(one.socket, "train", tmp_path) as feed:
                dataset = feed.dataset(10)
                assert one.counts()["Trained"] == 0  # asking for the types trains nothing
                for _ in range(2):
                    for batch in dataset:
                        assert batch["id"].numpy().tolist() == list(range(10))
                        assert feed.next_batch(7) is not None  # a pass of its own
                        break
                assert feed.next_batch(7)["id"].tolist() == list(range(14, 21))
            received, trained, dropped = one.account()
            assert (received, trained + dropped) == (100, 100)
            assert trained < 100

    def test_feed_without_rows(self, member_binary, tmp_path):
        pytest.importorskip("tensorflow")
        with members(member_binary, 1) as [one]:
            push(one, id=np.array([], np.int64))
            one.end()
            with ReplayFeed(one.socket, "train", tmp_path) as feed:
                dataset = feed.dataset(2)
                assert [list(dataset), list(dataset)] == [[], []]
                assert feed.next_batch(2) is None
