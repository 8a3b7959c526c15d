package datanode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/protobuf/encoding/protowire"
)

// packets is what a data node sends to who reads a block, without the checksums, which it
// compares.
type packets struct {
	from net.Conn
	kind checksums // size is 0 before the answer was read

	pending []byte // to be read before anything else
	raw     bool   // the rest is handed on as it is
	buffer  []byte // of a chunk in pending
	left    int64  // data of the current packet, without pending
	sums    []byte // of the data that is left
}

// begin reads the answer to the request. One that is no success is handed on.
func (s *packets) begin() error {
	said := &recorder{from: s.from}
	size, err := binary.ReadUvarint(said)
	if err == nil && size > longestAnswer {
		err = fmt.Errorf("an answer of %d bytes", size)
	}
	if err != nil {
		return err
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(s.from, message); err != nil {
		return err
	}
	answer, ok := parse(message) // BlockOpResponseProto
	if !ok || answer.numbers[1] != statusSuccess {
		s.pending, s.raw = append(said.seen.Bytes(), message...), true // the library says why
		return nil
	}
	info, ok := parse(answer.bytes[4]) // ReadOpChecksumInfoProto
	checksum, checksumOK := parse(info.bytes[1])
	if !ok || !checksumOK {
		return errors.New("the data node's answer has no checksums")
	}
	s.kind, err = newChecksums(checksum.numbers[1], int64(checksum.numbers[2]))
	s.pending = readAnswer(int64(info.numbers[2]), s.kind.size)
	return err
}

// recorder reads bytes one by one and keeps them.
type recorder struct {
	from io.Reader
	seen bytes.Buffer
}

// ReadByte implements io.ByteReader.
func (r *recorder) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(r.from, one[:])
	r.seen.Write(one[:])
	return one[0], err
}

// Read implements io.Reader.
func (s *packets) Read(p []byte) (n int, err error) {
	if len(s.pending) == 0 {
		switch {
		case s.raw:
			return s.from.Read(p)
		case s.kind.size == 0:
			err = s.begin()
		case s.left == 0:
			err = s.next()
		default:
			n, err = s.readData(p)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	n = copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// mostPacket is the most data of a packet. Data nodes send 64 KiB, and take 16 MiB at most.
const mostPacket = 16 << 20

// next reads the begin of a packet.
func (s *packets) next() error {
	var lengths [6]byte
	if _, err := io.ReadFull(s.from, lengths[:]); err != nil {
		return err
	}
	header := make([]byte, binary.BigEndian.Uint16(lengths[4:]))
	if _, err := io.ReadFull(s.from, header); err != nil {
		return err
	}
	offset, size, ok := parsePacket(header)
	if !ok || size < 0 || size > mostPacket {
		return fmt.Errorf("a packet of %d bytes", size)
	}
	want := s.kind.bytes(int64(size))
	if int64(cap(s.sums)) < want {
		s.sums = make([]byte, want)
	}
	s.sums = s.sums[:want]
	if _, err := io.ReadFull(s.from, s.sums); err != nil {
		return err
	}
	s.left, s.pending = int64(size), packetBegin(offset, size)
	return nil
}

// readData reads data of the current packet into p, as much as whole chunks fit. If none
// fits, it fills pending and returns 0.
func (s *packets) readData(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), s.left)]
	if int64(len(p)) < s.left {
		p = p[:int64(len(p))-int64(len(p))%s.kind.size]
	}
	into := p
	if len(p) == 0 {
		if s.buffer == nil {
			s.buffer = make([]byte, s.kind.size)
		}
		into = s.buffer[:min(s.kind.size, s.left)]
	}
	if _, err := io.ReadFull(s.from, into); err != nil {
		return 0, err
	}
	used := s.kind.bytes(int64(len(into)))
	if !s.kind.fit(into, s.sums[:used]) {
		return 0, errChecksum
	}
	s.left, s.sums = s.left-int64(len(into)), s.sums[used:]
	if len(p) == 0 {
		s.pending = into
	}
	return len(p), nil
}

// parsePacket reads the header of a packet.
func parsePacket(header []byte) (offset int64, size int32, ok bool) {
	found := 0
	for len(header) > 0 {
		number, kind, n := protowire.ConsumeTag(header)
		if n < 0 {
			return 0, 0, false
		}
		header = header[n:]
		switch {
		case number == 1 && kind == protowire.Fixed64Type:
			var value uint64
			value, n = protowire.ConsumeFixed64(header)
			offset, found = int64(value), found+1
		case number == 4 && kind == protowire.Fixed32Type:
			var value uint32
			value, n = protowire.ConsumeFixed32(header)
			size, found = int32(value), found+1
		default:
			n = protowire.ConsumeFieldValue(number, kind, header)
		}
		if n < 0 {
			return 0, 0, false
		}
		header = header[n:]
	}
	return offset, size, found == 2
}
