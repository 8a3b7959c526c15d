package task

import (
	"encoding/binary"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// bodyAlignment is that of a chunk's buffers, from the begin of its message. Arrow's
// writer aligns to 8. TensorFlow takes memory as a tensor, without a copy, if it is
// aligned to 64 (engine.borrow).
const bodyAlignment = 64

// More fields of Message.fbs, as messageHeader.
const (
	messageBody  = 10 // bodyLength
	batchBuffers = 8
)

// move is where the bytes of a body from `from` on go.
type move struct{ from, to int64 }

// alignBuffers rewrites the places of a record batch's buffers in its metadata so that
// each is aligned. moves are those of the bytes of the body as Arrow's writer gives it,
// in their order.
func alignBuffers(meta []byte) (moves []move, err error) {
	defer func() {
		if recover() != nil { // flatbuffers' way to say that bytes are none of its
			err = fmt.Errorf("feed: align a batch: %w", errArrow)
		}
	}()
	root := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	var batch flatbuffers.Table
	root.Union(&batch, flatbuffers.UOffsetT(root.Offset(messageHeader)))
	length := flatbuffers.UOffsetT(root.Offset(messageBody))
	vector := flatbuffers.UOffsetT(batch.Offset(batchBuffers))
	if length == 0 || vector == 0 {
		return nil, nil // no buffers
	}
	had := root.GetInt64(root.Pos + length)
	at, shift := batch.Vector(vector), int64(0)
	for range batch.VectorLen(vector) {
		from := batch.GetInt64(at)
		shift += -(from + shift) & (bodyAlignment - 1)
		moves = append(moves, move{from, from + shift})
		binary.LittleEndian.PutUint64(meta[at:], uint64(from+shift))
		at += 16 // offset and length
	}
	binary.LittleEndian.PutUint64(meta[root.Pos+length:], uint64(had+shift))
	return moves, nil
}

// bodyWriter writes a body with its buffers where alignBuffers has put them.
type bodyWriter struct {
	to      *frame
	moves   []move
	at, gap int64 // bytes written of the body, and padding beside them
}

func (w *bodyWriter) Write(p []byte) (int, error) {
	for rest := p; ; {
		for len(w.moves) > 0 && w.moves[0].from == w.at {
			more := w.moves[0].to - w.at - w.gap
			w.to.append(make([]byte, more))
			w.gap += more
			w.moves = w.moves[1:]
		}
		if len(rest) == 0 {
			return len(p), nil
		}
		n := len(rest)
		if len(w.moves) > 0 {
			n = min(n, int(w.moves[0].from-w.at))
		}
		w.to.borrow(rest[:n])
		w.at, rest = w.at+int64(n), rest[n:]
	}
}
