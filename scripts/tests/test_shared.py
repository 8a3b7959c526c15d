"""Memory that feed tasks, member and program share: who holds a slot, and what comes without."""

import gc
import os
import types
from collections import deque

import numpy as np
import pyarrow as pa
import pytest
from member import members, push
from tfos import links
from tfos.feed import FeedClient
from tfos.shared import Shared, drained


@pytest.fixture
def memory():
    """(descriptor, path) of two slots of 64 bytes."""
    fd = os.memfd_create("test")
    os.truncate(fd, 128)
    yield fd, f"/proc/{os.getpid()}/fd/{fd}"
    os.close(fd)


def test_a_slot_is_free_when_nobody_looks(memory):
    fd, path = memory
    freed = deque()
    shared = Shared(path, os.fstat(fd).st_ino, freed)
    os.pwrite(fd, np.arange(8).tobytes(), 64)
    buffer = shared.borrow(1, 64, 64)
    array = pa.Array.from_buffers(pa.int64(), 8, [None, buffer])
    view = array.to_numpy()[2:]
    del buffer, array, shared
    gc.collect()
    assert (view.tolist(), list(freed)) == ([2, 3, 4, 5, 6, 7], [])
    del view
    assert drained(freed) == [1]


def test_another_file_is_refused(memory):
    fd, path = memory
    with pytest.raises(OSError, match="is not the member's memory"):
        Shared(path, os.fstat(fd).st_ino + 1, deque())


def test_without_the_memory_sockets_serve(member_binary, monkeypatch):
    def closed(path, flags):
        raise PermissionError(path)

    monkeypatch.setattr(links, "os", types.SimpleNamespace(**{**vars(os), "open": closed}))
    with members(member_binary, 1) as [one], FeedClient(one.socket) as client:
        push(one, id=range(500))
        assert client.next_batch(500)["id"].tolist() == list(range(500))
        assert client._connection._shared is None


def test_a_program_may_keep_everything(member_binary):
    """Slots run out, and rows come all the same; what is held does not change."""
    with members(member_binary, 1) as [one], FeedClient(one.socket) as client:
        push(one, chunk_rows=10, id=range(5_000))
        one.end()
        kept = []
        while (piece := client._next_piece(10)) is not None:
            kept.append(piece["id"])
        assert np.concatenate(kept).tolist() == list(range(5_000))
        assert len(kept) == 500
