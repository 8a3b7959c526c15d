package task

import (
	"io"
	"net"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/feed"
)

// borrowedBytes: so large a piece of a message is not copied into a frame, which refers to it
// until it is sent.
const borrowedBytes = 16 << 10

// frame is a CHUNK frame: a head, and an Arrow message of size bytes. A message of more than
// feed.MaxChunk bytes is counted, and not kept.
//
// One goroutine uses it at a time. Its memory is used again after reset.
type frame struct {
	size int

	copied []byte       // the head, and the small pieces of the message
	begin  int          // of the piece that is being copied, in copied
	parts  [][]byte     // pieces before it, in their order: of copied, or of record's memory
	record arrow.Record // that parts refer to; nil: none
}

// wholeFrame is a frame whose head and message are in one buffer, which it takes over.
func wholeFrame(buf []byte) *frame {
	return &frame{size: len(buf) - feed.ChunkRoom, copied: buf}
}

// reset makes a frame with room for the head and without a message.
func (f *frame) reset() {
	f.release()
	f.size, f.copied, f.begin = 0, emptyFrame(f.copied), 0
}

// buffer is the memory of what was copied; nil: of no frame.
func (f *frame) buffer() []byte {
	if f == nil {
		return nil
	}
	return f.copied
}

// release gives up what the frame refers to. The frame is then without a message.
func (f *frame) release() {
	clear(f.parts)
	f.parts = f.parts[:0]
	if f.record != nil {
		f.record.Release()
		f.record = nil
	}
}

// append copies a piece of the message.
func (f *frame) append(p []byte) {
	f.size += len(p)
	if f.size <= feed.MaxChunk {
		f.copied = append(growSlice(f.copied, len(p)), p...)
	}
}

// borrow appends a piece of the message, which stays as it is until release.
func (f *frame) borrow(p []byte) {
	if len(p) < borrowedBytes {
		f.append(p)
		return
	}
	f.size += len(p)
	f.parts = append(f.parts, f.copied[f.begin:len(f.copied):len(f.copied)], p)
	f.begin = len(f.copied)
}

// pieces are the frame's bytes in their order. The head is the begin of the first one.
func (f *frame) pieces() [][]byte {
	if f.begin < len(f.copied) {
		f.parts = append(f.parts, f.copied[f.begin:])
		f.begin = len(f.copied)
	}
	return f.parts
}

// writeTo sends the frame, whose rows begin with row first.
func (f *frame) writeTo(conn io.Writer, first int64, rows int) error {
	pieces := f.pieces()
	feed.SealChunk(pieces[0], f.size, first, rows)
	buffers := net.Buffers(pieces)
	_, err := buffers.WriteTo(conn)
	return err
}

// message are the bytes of the message in their order: pieces without the head.
func (f *frame) message() [][]byte {
	pieces := slices.Clone(f.pieces())
	pieces[0] = pieces[0][feed.ChunkRoom:]
	return pieces
}

// copyMessage copies the message into memory of at least size bytes.
func (f *frame) copyMessage(to []byte) {
	for _, piece := range f.message() {
		to = to[copy(to, piece):]
	}
}
