"""The codec: what is written is what is read, and garbage is refused."""

import socket
import struct

import pytest
from tfos import frames


def test_round_trip_on_sockets():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send_json(ours, frames.NEXT, {"feed": "train", "chunks": 3})
        ours.sendall(b"".join(frames.encode(frames.BATCH, b"12345678", b"arrow")))
        assert frames.read_json(theirs, frames.NEXT) == {"feed": "train", "chunks": 3}
        assert frames.read_header(theirs) == (frames.BATCH, 13)
        assert bytes(frames.read_payload(theirs, 13)) == b"12345678arrow"
        ours.close()
        assert frames.read_header(theirs) is None


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_decoder_cuts_anywhere(step):
    sent = [(frames.ACK, b"a" * 20), (frames.ENDED, b"{}"), (frames.STOP, b""), (1, b"x" * 300)]
    wire = b"".join(b"".join(frames.encode(typ, payload)) for typ, payload in sent)
    decoder, got = frames.Decoder(), []
    for at in range(0, len(wire), step):
        got += decoder.feed(wire[at : at + step])
    assert got == sent


def test_large_parts_are_not_copied():
    body = memoryview(bytearray(1 << 20))
    assert frames.encode(frames.CHUNK, b"head", body)[2] is body


@pytest.mark.parametrize("length", [0, frames.MAX_FRAME + 1, 0xFFFFFFFF])
def test_impossible_length(length):
    wire = struct.pack(">IB", length, frames.ACK)
    with pytest.raises(frames.ProtocolError):
        frames.Decoder().feed(wire)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire)
        with pytest.raises(frames.ProtocolError):
            frames.read_header(theirs)


def test_limit_when_writing():
    frames.encode(frames.CHUNK, bytes(frames.MAX_FRAME - 1))
    with pytest.raises(frames.ProtocolError):
        frames.encode(frames.CHUNK, bytes(frames.MAX_FRAME))


@pytest.mark.parametrize("wire", [b"\0", b"\0\0\0\5", b"\0\0\0\5\x06a"])
def test_truncated(wire):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire)
        ours.close()
        with pytest.raises(ConnectionError):
            frames.read_json(theirs, frames.ACK)


def test_wrong_type_and_no_json():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send_json(ours, frames.NEXT, {})
        with pytest.raises(frames.ProtocolError, match="0x12 in place of 0x11"):
            frames.read_json(theirs, frames.CONTEXT)
        assert bytes(frames.read_payload(theirs, 2)) == b"{}"
        ours.sendall(b"".join(frames.encode(frames.NEXT, b"x")))
        with pytest.raises(frames.ProtocolError, match="not JSON"):
            frames.read_json(theirs, frames.NEXT)


def test_node_connection(member_binary):
    from member import members

    with members(member_binary, 1) as [one]:
        node = frames.NodeConnection(one.socket)
        assert node.context["feeds"][0]["name"] == "train"
        assert node.context["job_name"] == "worker"
        node.phase("running")
        node.failed("running", "ValueError: x", 6)
        node.close()
