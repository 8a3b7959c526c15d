"""Memory that the member lends: a program reads chunks where a feed task has written them."""

import mmap
import os

import pyarrow as pa


class Shared:
    """A feed's shared memory, mapped. It stays mapped as long as anybody looks into it."""

    def __init__(self, path, inode, freed):
        """path, inode: of a CACHED frame with a slot. freed: a deque, to which the number of
        each slot is appended when nobody looks at its chunk any more, by whatever thread."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            about = os.fstat(fd)
            if about.st_ino != inode:
                raise OSError(f"{path} is not the member's memory")
            self._memory = pa.py_buffer(mmap.mmap(fd, about.st_size, prot=mmap.PROT_READ))
        finally:
            os.close(fd)
        self._freed = freed

    def borrow(self, slot, offset, size):
        """The chunk in a slot, a pa.Buffer. The slot is free when the buffer, and all arrays
        that share its memory, are gone."""
        lease = _Lease(self._memory, self._freed, slot)
        return pa.foreign_buffer(self._memory.address + offset, size, lease)


class _Lease:
    """What a borrowed buffer keeps alive."""

    __slots__ = ("_freed", "_memory", "_slot")

    def __init__(self, memory, freed, slot):
        self._memory, self._freed, self._slot = memory, freed, slot

    def __del__(self):
        self._freed.append(self._slot)


def drained(items):
    """What is in a deque, taken out of it; other threads may be appending."""
    return [items.popleft() for _ in range(len(items))]
