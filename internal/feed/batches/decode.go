package batches

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"

	"tfos/internal/files"
)

// Slots of the FlatBuffers tables Message and RecordBatch (Arrow's
// format/Message.fbs), as offsets in a vtable.
const (
	messageKind   = 6
	messageHeader = 8

	batchLength      = 4
	batchNodes       = 6
	batchBuffers     = 8
	batchCompression = 10

	kindRecordBatch = 3
	structBytes     = 16 // of a FieldNode and of a Buffer: two int64
	prefixBytes     = 8  // continuation and size of the metadata
)

var (
	errDamaged    = errors.New("it is no Arrow record batch")
	errCompressed = errors.New("its buffers are compressed")
)

// decoder makes records of chunks. It remembers the last schema.
type decoder struct {
	message []byte
	schema  *arrow.Schema
}

// decode returns a chunk's record. The record's buffers are parts of data: arrow's
// own reader copies them. free is called when the last buffer has been released, or
// at once if there is an error.
func (d *decoder) decode(schema, data []byte, free func()) (record arrow.Record, err error) {
	whole := memory.NewBufferWithAllocator(data, owner{free: free})
	defer whole.Release()
	defer func() {
		if v := recover(); v != nil { // flatbuffers' way to say that bytes are none of its
			err = fmt.Errorf("feed: read chunk of %d bytes: %w: %v", len(data), errDamaged, v)
		}
	}()
	if d.schema == nil || !bytes.Equal(d.message, schema) {
		if d.schema, err = files.DecodeSchema(schema); err != nil {
			return nil, fmt.Errorf("feed: read the columns' types: %w", err)
		}
		d.message = schema
	}
	u, rows, err := openBatch(whole)
	if err != nil {
		return nil, fmt.Errorf("feed: read chunk of %d bytes: %w", len(data), err)
	}
	var columns []arrow.Array
	defer func() { releaseAll(columns) }()
	for _, field := range d.schema.Fields() {
		loaded, err := u.load(field.Type)
		if err != nil {
			return nil, fmt.Errorf("feed: column %s: %w", field.Name, err)
		}
		columns = append(columns, array.MakeFromData(loaded))
		loaded.Release()
	}
	return array.NewRecord(d.schema, columns, rows), nil
}

// owner is the allocator of a chunk's memory: it can only free it.
type owner struct {
	memory.Allocator
	free func()
}

func (o owner) Free([]byte) { o.free() }

// unpacker goes through a record batch's nodes and buffers in their order.
type unpacker struct {
	meta    flatbuffers.Table
	whole   *memory.Buffer
	body    int // where it begins in whole
	nodes   flatbuffers.UOffsetT
	buffers flatbuffers.UOffsetT
	left    [2]int // nodes, buffers
}

func openBatch(whole *memory.Buffer) (*unpacker, int64, error) {
	data := whole.Bytes()
	if len(data) < prefixBytes {
		return nil, 0, errDamaged
	}
	size := int64(binary.LittleEndian.Uint32(data[4:]))
	if size == 0 || prefixBytes+size > int64(len(data)) {
		return nil, 0, errDamaged
	}
	meta := data[prefixBytes : prefixBytes+size]
	message := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	kind := flatbuffers.UOffsetT(message.Offset(messageKind))
	if kind == 0 || message.GetByte(message.Pos+kind) != kindRecordBatch {
		return nil, 0, errDamaged
	}
	u := &unpacker{whole: whole, body: prefixBytes + int(size)}
	message.Union(&u.meta, flatbuffers.UOffsetT(message.Offset(messageHeader)))
	if u.meta.Offset(batchCompression) != 0 {
		return nil, 0, errCompressed
	}
	u.nodes, u.left[0] = u.vector(batchNodes)
	u.buffers, u.left[1] = u.vector(batchBuffers)
	rows := int64(0)
	if at := flatbuffers.UOffsetT(u.meta.Offset(batchLength)); at != 0 {
		rows = u.meta.GetInt64(u.meta.Pos + at)
	}
	if rows < 0 {
		return nil, 0, errDamaged
	}
	return u, rows, nil
}

func (u *unpacker) vector(slot flatbuffers.VOffsetT) (at flatbuffers.UOffsetT, length int) {
	offset := flatbuffers.UOffsetT(u.meta.Offset(slot))
	if offset == 0 {
		return 0, 0
	}
	return u.meta.Vector(offset), u.meta.VectorLen(offset)
}

// node returns the next array's length and its number of nulls.
func (u *unpacker) node() (length, nulls int) {
	if u.left[0]--; u.left[0] < 0 {
		panic("too few nodes")
	}
	length, nulls = int(u.meta.GetInt64(u.nodes)), int(u.meta.GetInt64(u.nodes+8))
	u.nodes += structBytes
	return length, nulls
}

// buffer returns the next buffer. The caller releases it.
func (u *unpacker) buffer() *memory.Buffer {
	if u.left[1]--; u.left[1] < 0 {
		panic("too few buffers")
	}
	offset, length := u.meta.GetInt64(u.buffers), u.meta.GetInt64(u.buffers+8)
	u.buffers += structBytes
	if offset < 0 || length < 0 || int64(u.body)+offset+length > int64(u.whole.Len()) {
		panic("a buffer beyond the end")
	}
	return memory.SliceBuffer(u.whole, u.body+int(offset), int(length))
}

// load returns the next array. The caller releases it.
func (u *unpacker) load(t arrow.DataType) (arrow.ArrayData, error) {
	layout, err := layoutOf(t)
	if err != nil {
		return nil, err
	}
	length, nulls := u.node()
	buffers := make([]*memory.Buffer, layout.buffers)
	defer memory.ReleaseBuffers(buffers)
	for i := range buffers {
		buffers[i] = u.buffer()
	}
	if nulls == 0 && len(buffers) > 0 { // the bitmap may be empty then
		buffers[0].Release()
		buffers[0] = nil
	}
	var children []arrow.ArrayData
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for _, child := range layout.children {
		loaded, err := u.load(child)
		if err != nil {
			return nil, err
		}
		children = append(children, loaded)
	}
	return array.NewData(t, length, buffers, children, nulls, 0), nil
}

func releaseAll(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}
