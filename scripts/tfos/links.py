"""A feed task's connections to members: unix on the same kernel, else TLS over TCP."""

import os
import socket
import ssl
from collections import deque
from itertools import islice
from pathlib import Path

from tfos import decisions, frames

_GATHERED = 512  # buffers of one write: Linux takes 1,024


class Link:
    """One member, as a feed task sees it."""

    def __init__(self, member, sock, local):
        self.name = f"{member['job']}:{member['index']}"
        self.sock = sock
        self.local = local
        self.decoder = frames.Decoder()
        self.credit = 0
        self.total = 0  # rows of this feed and epoch there, when last heard
        self.shared = None  # descriptor of the member's memory
        self.slots = deque()  # of it, which may be written
        self.slot_bytes = 0
        self.unacked = deque()  # (first row, rows) sent
        self.unacked_rows = 0
        self.out = deque()  # memoryviews still to be written
        self.writing = False  # registered for writability
        self.stopped = None  # the STOP frame
        self.ended = False
        self.lost = False  # closed after it stopped

    @property
    def rows(self):
        return self.total + self.unacked_rows

    @property
    def ready(self):
        return self.credit > 0 and not self.out and len(self.unacked) < decisions.UNACKED

    def share(self, offer):
        """Opens the memory that the member offers, or None. Where that fails, in a container
        of another namespace, chunks go through the socket."""
        if offer is None:
            return
        try:
            shared = os.open(offer["path"], os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
        if os.fstat(shared).st_ino != offer["inode"]:
            os.close(shared)
            return
        self.shared, self.slot_bytes = shared, offer["slot_bytes"]

    def put(self, first, rows, body):
        """A chunk: into a slot of the member's memory, or what is to be written."""
        if self.shared is not None and self.slots:
            slot = self.slots.popleft()
            at, size = slot * self.slot_bytes, len(body)
            done = 0
            while done < size:
                done += os.pwrite(self.shared, body[done:], at + done)
            told = frames.PLACED_BODY.pack(first, rows, slot, size)
            self.out.extend(map(memoryview, frames.encode(frames.PLACED, told)))
        else:
            head = frames.CHUNK_HEADER.pack(first, rows)
            self.out.extend(map(memoryview, frames.encode(frames.CHUNK, head, body)))
        self.credit -= len(body)
        self.unacked.append((first, rows))
        self.unacked_rows += rows

    def close(self):
        self.sock.close()
        if self.shared is not None:
            os.close(self.shared)
            self.shared = None

    def flush(self):
        """Writes what the socket takes now."""
        while self.out:
            try:
                if isinstance(self.sock, ssl.SSLSocket):
                    n = self.sock.send(self.out[0])
                else:
                    n = self.sock.sendmsg(self.out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            while n:
                head = self.out[0]
                if n < len(head):
                    self.out[0] = head[n:]
                    break
                n -= len(head)
                self.out.popleft()

    def receive(self):
        """The frames that have arrived. Raises ConnectionError at the end."""
        data = bytearray()
        while True:
            try:
                piece = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not piece:
                if data:
                    break  # the end is seen again at the next call
                raise ConnectionError("closed by the member")
            data += piece
        return self.decoder.feed(data)


def connect(address, ca):
    """(socket, is it local) to a member: unix on the same kernel, else TLS."""
    path = address.get("unix")
    if path and address.get("boot_id") == boot_id() and Path(path).exists():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(decisions.HELLO_SECONDS)
        try:
            sock.connect(path)
            return sock, True
        except OSError:
            sock.close()  # another file system's path, or not ours to open: TCP reaches it too
    host, _, port = address["tcp"].rpartition(":")
    try:
        raw = socket.create_connection(
            (host.strip("[]"), int(port)), timeout=decisions.HELLO_SECONDS
        )
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context(cadata=ca)
        return context.wrap_socket(raw, server_hostname="tfos-member"), False
    except OSError as e:
        raise ConnectionError(f"feed: connect to {address['tcp']}: {e}") from e


def send_all(sock, parts):
    """Writes memoryviews to a blocking socket, gathered where that can be."""
    if isinstance(sock, ssl.SSLSocket):
        for part in parts:
            sock.sendall(part)
        return
    left = deque(part.cast("B") for part in parts if part.nbytes)
    while left:
        sent = sock.sendmsg(list(islice(left, _GATHERED)))
        while sent:
            head = left[0]
            if sent < len(head):
                left[0] = head[sent:]
                break
            sent -= len(head)
            left.popleft()


def boot_id():
    """Of the kernel; None where there is none to read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
