package feed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// Frame types. scripts/tfos/frames.py has the same table. A test compares them.
const (
	TypeHello   byte = 0x01
	TypeWelcome byte = 0x02
	TypeSchema  byte = 0x03
	TypeChunk   byte = 0x04
	TypeEnd     byte = 0x05
	TypeAck     byte = 0x06
	TypeCredit  byte = 0x07
	TypeStop    byte = 0x08
	TypeEnded   byte = 0x09
	TypeSlot    byte = 0x0a
	TypePlaced  byte = 0x0b

	TypeAttach    byte = 0x10
	TypeContext   byte = 0x11
	TypeNext      byte = 0x12
	TypeBatch     byte = 0x13
	TypeEpochEnd  byte = 0x14
	TypeTrained   byte = 0x15
	TypeTerminate byte = 0x16
	TypePermit    byte = 0x17
	TypePermitted byte = 0x18
	TypeCached    byte = 0x19
	TypePace      byte = 0x1a

	TypePhase    byte = 0x20
	TypeFailed   byte = 0x21
	TypeProgress byte = 0x22
	TypeResult   byte = 0x23
	TypeNote     byte = 0x24
	// TypeTrainingEnded is sent to a program in phase "evaluating".
	TypeTrainingEnded byte = 0x25
)

const (
	// Version is the version of both wires.
	Version = 1
	// MaxChunk bounds the Arrow message of one chunk, in bytes.
	MaxChunk = 16 << 20
	// MaxFrame bounds type and payload of one frame, in bytes.
	MaxFrame = MaxChunk + 64<<10

	headerBytes      = 5  // length, type
	chunkHeaderBytes = 12 // u64 first row, u32 rows
	batchHeaderBytes = 20 // u32 epoch, u32 rows to use, u32 partition, u64 first row
	ackBytes         = 20 // u64 first row, u32 rows, u64 total
	placedBytes      = 20 // u64 first row, u32 rows, u32 slot, u32 bytes
)

// ErrProtocol marks input that violates docs/protocols.md: a frame of
// impossible size, of an unexpected type, or with a payload that cannot be
// parsed.
var ErrProtocol = errors.New("protocol error")

// WriteFrame writes one frame. Its payload is the concatenation of parts. A
// small payload is written in one write, a large one in a gathered write.
// WriteFrame is not safe for concurrent use of one w.
func WriteFrame(w io.Writer, typ byte, parts ...[]byte) error {
	size := 1
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxFrame {
		return fmt.Errorf("feed: write frame 0x%02x of %d bytes: %w: the limit is %d", typ, size, ErrProtocol, MaxFrame)
	}
	head := make([]byte, headerBytes, headerBytes+min(size, 4096))
	binary.BigEndian.PutUint32(head, uint32(size))
	head[4] = typ
	if size <= 4096 {
		for _, p := range parts {
			head = append(head, p...)
		}
		_, err := w.Write(head)
		return err
	}
	buffers := append(net.Buffers{head}, parts...)
	_, err := buffers.WriteTo(w)
	return err
}

// WriteJSON writes one frame with v as JSON.
func WriteJSON(w io.Writer, typ byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("feed: encode frame 0x%02x: %w", typ, err)
	}
	return WriteFrame(w, typ, payload)
}

// ReadHeader reads a frame's type and length. size is the number of payload
// bytes, which remain to be read. The error is io.EOF if r ended between
// frames.
func ReadHeader(r io.Reader) (typ byte, size int, err error) {
	var head [headerBytes]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, 0, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n < 1 || n > MaxFrame {
		return 0, 0, fmt.Errorf("feed: read frame: length %d: %w", n, ErrProtocol)
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, 0, truncated(err)
	}
	return head[4], int(n) - 1, nil
}

// ReadFrame reads one frame. The error is io.EOF if r ended between frames, and
// io.ErrUnexpectedEOF if it ended inside one.
func ReadFrame(r io.Reader) (typ byte, payload []byte, err error) {
	typ, size, err := ReadHeader(r)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, truncated(err)
	}
	return typ, payload, nil
}

// ReadJSON reads one frame of type typ, and decodes it into v. Another type is
// ErrProtocol.
func ReadJSON(r io.Reader, typ byte, v any) error {
	got, payload, err := ReadFrame(r)
	if err != nil {
		return err
	}
	if got != typ {
		return fmt.Errorf("feed: read frame: type 0x%02x in place of 0x%02x: %w", got, typ, ErrProtocol)
	}
	return decode(typ, payload, v)
}

func decode(typ byte, payload []byte, v any) error {
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("feed: decode frame 0x%02x: %w: %w", typ, ErrProtocol, err)
	}
	return nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
