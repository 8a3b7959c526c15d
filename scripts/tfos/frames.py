"""Frames between feed task and member, and between program and member.

The Python side of internal/feed/frame.go; docs/protocols.md section 5 is the
contract. A frame is a 4-byte big-endian length of what follows, one byte of
type, a payload. Needs the standard library only.
"""

import json
import os
import select
import socket
import struct
import threading

HELLO = 0x01
WELCOME = 0x02
SCHEMA = 0x03
CHUNK = 0x04
END = 0x05
ACK = 0x06
CREDIT = 0x07
STOP = 0x08
ENDED = 0x09
SLOT = 0x0A
PLACED = 0x0B

ATTACH = 0x10
CONTEXT = 0x11
NEXT = 0x12
BATCH = 0x13
EPOCH_END = 0x14
TRAINED = 0x15
TERMINATE = 0x16
PERMIT = 0x17
PERMITTED = 0x18
CACHED = 0x19
PACE = 0x1A

PHASE = 0x20
FAILED = 0x21
PROGRESS = 0x22
RESULT = 0x23
NOTE = 0x24
TRAINING_ENDED = 0x25

VERSION = 1
MAX_CHUNK = 16 << 20  # Arrow bytes of one chunk
MAX_FRAME = MAX_CHUNK + (64 << 10)

HEADER = struct.Struct(">IB")  # length of type and payload, type
CHUNK_HEADER = struct.Struct(">QI")  # first row, rows
BATCH_HEADER = struct.Struct(">IIIQ")  # epoch, rows to use, partition, first row
ACK_BODY = struct.Struct(">QIQ")  # first row, rows, total
CREDIT_BODY = struct.Struct(">q")
SLOT_BODY = struct.Struct(">I")
PLACED_BODY = struct.Struct(">QIII")  # first row, rows, slot, bytes


class ProtocolError(ConnectionError):
    """The other side broke docs/protocols.md."""


def encode(typ, *parts):
    """The frame as a list of buffers; parts are not copied."""
    size = 1 + sum(len(p) for p in parts)
    if size > MAX_FRAME:
        raise ProtocolError(f"frame 0x{typ:02x} of {size} bytes: the limit is {MAX_FRAME}")
    return [HEADER.pack(size, typ), *parts]


def encode_json(typ, value):
    """A control frame as bytes."""
    return b"".join(encode(typ, json.dumps(value).encode()))


def parse(payload):
    """A control payload as a value."""
    try:
        return json.loads(payload)
    except ValueError as e:
        raise ProtocolError(f"payload is not JSON: {e}") from e


def send_json(sock, typ, value):
    """Writes one control frame to a blocking socket."""
    sock.sendall(encode_json(typ, value))


def recv_into(sock, view):
    """Fills view. False: the peer closed before the first byte."""
    got = 0
    while got < len(view):
        n = sock.recv_into(view[got:])
        if n == 0:
            if got == 0:
                return False
            raise ConnectionError(f"connection ended {len(view) - got} bytes early")
        got += n
    return True


def read_header(sock):
    """(type, payload size) of the next frame; None when the peer closed."""
    head = bytearray(HEADER.size)
    if not recv_into(sock, memoryview(head)):
        return None
    size, typ = HEADER.unpack(head)
    _check(size)
    return typ, size - 1


def read_payload(sock, size):
    """The payload of a frame whose header was read, as a new bytearray."""
    payload = bytearray(size)
    if size and not recv_into(sock, memoryview(payload)):
        raise ConnectionError(f"connection ended {size} bytes early")
    return payload


def read_json(sock, typ):
    """The payload of the next frame, which must be of type typ."""
    header = read_header(sock)
    if header is None:
        raise ConnectionError("connection closed by the peer")
    if header[0] != typ:
        raise ProtocolError(f"frame 0x{header[0]:02x} in place of 0x{typ:02x}")
    return parse(read_payload(sock, header[1]))


def attach(path):
    """Connects a program to its member: (socket, the context it was given)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
        send_json(sock, ATTACH, {"pid": os.getpid(), "version": VERSION})
        return sock, read_json(sock, CONTEXT)
    except BaseException:
        sock.close()
        raise


class NodeConnection:
    """The program's own connection to its member: what it is told, what it reports.

    A program may close all its descriptors, this connection's too. The next message then goes by
    a new connection. Messages of a child made by os.fork are not sent: it is not the program.
    """

    def __init__(self, path):
        self._path, self._process = path, os.getpid()
        self._sock, self.context = attach(path)
        self._inode = os.fstat(self._sock.fileno()).st_ino
        self._sending = threading.Lock()  # TensorBoard's reader has something to say too
        self._trained = False

    def phase(self, phase):
        """importing, running, evaluating, exporting, ended."""
        self._send(PHASE, phase=phase)

    def failed(self, phase, cause, code=0):
        """Why the program is about to exit non-zero, in one line. code 0 means 5."""
        self._send(FAILED, phase=phase, cause=cause, code=code)

    def note(self, kind, text):
        """Say one line to the person who runs the job; kind: warning, tensorboard (a URL)."""
        self._send(NOTE, kind=kind, text=text)

    def training_ended(self, timeout):
        """Wait timeout seconds for the end of training; whether it has come.

        For a member in phase "evaluating": it is told, and the run waits for it.
        """
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        if not self._trained and poll.poll(timeout * 1000):
            read_json(self._sock, TRAINING_ENDED)
            self._trained = True
        return self._trained

    def _send(self, typ, **message):
        if os.getpid() != self._process:
            return
        with self._sending:
            if not self._is_ours():
                self._sock.detach()
                self._sock, _ = attach(self._path)
                self._inode = os.fstat(self._sock.fileno()).st_ino
            send_json(self._sock, typ, message)

    def _is_ours(self):
        try:
            return os.fstat(self._sock.fileno()).st_ino == self._inode
        except OSError:
            return False

    def close(self):
        self._sock.close()


class Decoder:
    """Cuts what arrives on a non-blocking socket into frames."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data):
        """Takes received bytes; returns the frames now complete: [(type, payload)]."""
        self._buffer += data
        frames, at = [], 0
        while len(self._buffer) - at >= HEADER.size:
            size, typ = HEADER.unpack_from(self._buffer, at)
            _check(size)
            if len(self._buffer) - at < 4 + size:
                break
            frames.append((typ, bytes(self._buffer[at + HEADER.size : at + 4 + size])))
            at += 4 + size
        del self._buffer[:at]
        return frames


def _check(size):
    if not 1 <= size <= MAX_FRAME:
        raise ProtocolError(f"frame of length {size}")
