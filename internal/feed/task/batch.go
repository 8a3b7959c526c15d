package task

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// continuation begins every encapsulated Arrow message; the size of its
// metadata follows, in 4 bytes.
const continuation = 0xffffffff

var errArrow = errors.New("not an Arrow message")

// codec reads the record batch messages of one schema and writes parts of them
// again. A record that it read is good until the next.
type codec struct {
	message []byte // to be read next
	reader  *ipc.Reader
	writer  *ipc.Writer
	out     chunkBuffer
}

// newCodec takes the schema as an encapsulated Arrow message.
func newCodec(schema []byte) (*codec, error) {
	c := &codec{message: schema}
	reader, err := ipc.NewReaderFromMessageReader(c)
	if err != nil {
		return nil, fmt.Errorf("feed: read schema: %w", err)
	}
	c.reader = reader
	c.writer = ipc.NewWriterWithPayloadWriter(&c.out, ipc.WithSchema(reader.Schema()))
	return c, nil
}

// decode reads a record batch message, which the record does not refer to.
func (c *codec) decode(message []byte) (arrow.Record, error) {
	c.message = message
	record, err := c.reader.Read()
	if err != nil {
		return nil, fmt.Errorf("feed: read batch of %d bytes: %w", len(message), err)
	}
	return record, nil
}

// Where the fields are that rows reads: Message.fbs of Arrow, in its tables'
// order, each field 2 bytes.
const (
	messageHeader = 8
	batchLength   = 4
)

// rows is how many rows a record batch message has. It is decode without the copy.
func (c *codec) rows(message []byte) (n int64, err error) {
	defer func() {
		if recover() != nil { // flatbuffers' way to say that bytes are none of its
			err = fmt.Errorf("feed: read batch of %d bytes: %w", len(message), errArrow)
		}
	}()
	c.message = message
	m, err := c.Message()
	if err != nil {
		return 0, fmt.Errorf("feed: read batch of %d bytes: %w", len(message), err)
	}
	if m.Type() != ipc.MessageRecordBatch {
		return 0, fmt.Errorf("feed: read batch of %d bytes: %s: %w", len(message), m.Type(), errArrow)
	}
	meta := message[8:]
	root := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	var header flatbuffers.Table
	root.Union(&header, flatbuffers.UOffsetT(root.Offset(messageHeader)))
	if at := flatbuffers.UOffsetT(header.Offset(batchLength)); at != 0 {
		n = header.GetInt64(header.Pos + at)
	}
	if n < 0 {
		return 0, fmt.Errorf("feed: read batch: %d rows: %w", n, errArrow)
	}
	return n, nil
}

// encode makes f the frame of record's message, in place of what it was. f refers to
// the record's memory until it is released.
func (c *codec) encode(f *frame, record arrow.Record) error {
	f.reset()
	record.Retain()
	f.record, c.out.frame = record, f
	if err := c.writer.Write(record); err != nil {
		f.release()
		return fmt.Errorf("feed: encode %d rows: %w", record.NumRows(), err)
	}
	return nil
}

// Message is ipc.MessageReader's.
func (c *codec) Message() (*ipc.Message, error) {
	m := c.message
	if len(m) == 0 {
		return nil, io.EOF
	}
	c.message = nil
	if len(m) < 8 || binary.LittleEndian.Uint32(m) != continuation {
		return nil, errArrow
	}
	end := 8 + int64(binary.LittleEndian.Uint32(m[4:]))
	if end == 8 || end > int64(len(m)) {
		return nil, errArrow
	}
	message := ipc.NewMessage(memory.NewBufferBytes(m[8:end]), memory.NewBufferBytes(m[end:]))
	if message.BodyLen() > int64(len(m))-end {
		return nil, errArrow
	}
	return message, nil
}

// Retain and Release are ipc.MessageReader's; nothing here is counted.
func (c *codec) Retain()  {}
func (c *codec) Release() {}

// chunkBuffer is the ipc.PayloadWriter that puts record batch messages into frames.
type chunkBuffer struct {
	schema bool   // was written: the writer begins with it, members have it
	frame  *frame // of the next message
}

func (b *chunkBuffer) Start() error { return nil }
func (b *chunkBuffer) Close() error { return nil }

func (b *chunkBuffer) WritePayload(p ipc.Payload) error {
	if !b.schema {
		b.schema = true
		return nil
	}
	meta := p.Meta()
	defer meta.Release()
	moves, err := alignBuffers(meta.Bytes())
	if err != nil {
		return err
	}
	var head [8]byte
	padding := -(len(head) + meta.Len()) & (bodyAlignment - 1)
	binary.LittleEndian.PutUint32(head[:], continuation)
	binary.LittleEndian.PutUint32(head[4:], uint32(meta.Len()+padding))
	for _, part := range [][]byte{head[:], meta.Bytes(), make([]byte, padding)} {
		b.frame.append(part)
	}
	return p.SerializeBody(&bodyWriter{to: b.frame, moves: moves})
}

// growSlice makes room for n more bytes; it doubles, because slices.Grow's quarter
// copies a large message many times.
func growSlice(buf []byte, n int) []byte {
	if cap(buf)-len(buf) < n {
		return slices.Grow(buf, max(n, len(buf)))
	}
	return buf
}
