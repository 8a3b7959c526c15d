package arrowipc

import (
	"encoding/binary"
	"errors"
)

// The slots of the FlatBuffers tables (format/Message.fbs, Schema.fbs) with
// vectors whose length the library allocates.
const (
	messageKind   = 1
	messageHeader = 2
	schemaEndian  = 0
	schemaFields  = 1
	schemaPairs   = 2
	fieldChildren = 5
	fieldPairs    = 6
)

// The slots of a file's footer (format/File.fbs).
const (
	footerSchema       = 1
	footerDictionaries = 2
	footerBatches      = 3
)

// batchRows is the slot of a record batch with its number of rows.
const batchRows = 0

// batchLength returns the number of rows in a record batch's metadata.
func batchLength(meta []byte) int64 {
	b := flatbuf(meta)
	batch := b.slot(b.uint32(0), messageHeader)
	if batch == 0 {
		return 0
	}
	rows := b.slot(batch+b.uint32(batch), batchRows)
	if rows == 0 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[rows:]))
}

// schemaHeader is the kind of a message with a schema.
const schemaHeader = 1

var (
	errVector = errors.New("its schema is damaged")
	errFooter = errors.New("its footer is damaged")
	errEndian = errors.New("its numbers are big-endian: write it again on a little-endian machine")
)

// flatbuf is a FlatBuffer. Its methods panic at a pointer beyond its end, like
// the library. Callers use codec.RecoverPanic.
type flatbuf []byte

func (b flatbuf) uint32(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }

// slot returns the offset of a table's slot, or 0 if the slot is not set.
func (b flatbuf) slot(table, n int) int {
	vtable := table - int(int32(b.uint32(table)))
	at := 4 + 2*n
	if at >= int(binary.LittleEndian.Uint16(b[vtable:])) {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(b[vtable+at:]))
	if offset == 0 {
		return 0
	}
	return table + offset
}

// tables returns the offsets of the tables in a slot's vector.
func (b flatbuf) tables(table, n int) ([]int, error) {
	at := b.slot(table, n)
	if at == 0 {
		return nil, nil
	}
	at += b.uint32(at)
	size := b.uint32(at)
	if size > (len(b)-at-4)/4 {
		return nil, errVector
	}
	list := make([]int, size)
	for i := range list {
		at += 4
		list[i] = at + b.uint32(at)
	}
	return list, nil
}

// block is the place of a message in the file format, from the footer.
type block struct {
	offset     int64
	meta, body int64 // bytes
}

// blockSize is the size of a Block struct: int64 offset, int32 metadata length,
// 4 bytes of padding, int64 body length.
const blockSize = 24

// blocks returns the blocks in the vector of a footer's slot.
func (b flatbuf) blocks(footer, n int) ([]block, error) {
	at := b.slot(footer, n)
	if at == 0 {
		return nil, nil
	}
	at += b.uint32(at)
	size := b.uint32(at)
	if size > (len(b)-at-4)/blockSize {
		return nil, errFooter
	}
	list := make([]block, size)
	for i := range list {
		from := b[at+4+i*blockSize:]
		list[i] = block{
			offset: int64(binary.LittleEndian.Uint64(from)),
			meta:   int64(int32(binary.LittleEndian.Uint32(from[8:]))),
			body:   int64(binary.LittleEndian.Uint64(from[16:])),
		}
	}
	return list, nil
}

// schemaMessage returns a message with the footer's schema. The library reads
// schemas from messages only, and the schema message at the file's beginning
// may be in a format that no reader supports. References are relative, so the
// footer is copied unchanged after the message's own table.
func (b flatbuf) schemaMessage() ([]byte, error) {
	const vtable, table, front = 4, 16, 32
	at := b.slot(b.uint32(0), footerSchema)
	if at == 0 {
		return nil, errFooter
	}
	schema := front + at + b.uint32(at)
	m := make([]byte, front, front+len(b))
	put16 := func(at, v int) { binary.LittleEndian.PutUint16(m[at:], uint16(v)) }
	put32 := func(at, v int) { binary.LittleEndian.PutUint32(m[at:], uint32(v)) }
	put32(0, table)
	for i, v := range []int{4 + 2*3, 12, 4, 6, 8} { // the vtable's size, the table's size, then the offsets of version, kind and header
		put16(vtable+2*i, v)
	}
	put32(table, table-vtable)
	put16(table+4, 4) // MetadataVersion V5
	m[table+6] = schemaHeader
	put32(table+8, schema-(table+8))
	return append(m, b...), nil
}

// checkSchema checks that vectors of a schema message are not longer than the
// message. Otherwise the library would allocate their length, and the process
// would end.
func checkSchema(meta []byte) error {
	b := flatbuf(meta)
	message := b.uint32(0)
	kind, header := b.slot(message, messageKind), b.slot(message, messageHeader)
	if kind == 0 || header == 0 || b[kind] != schemaHeader {
		return nil
	}
	schema := header + b.uint32(header)
	if at := b.slot(schema, schemaEndian); at != 0 && b[at] != 0 {
		return errEndian
	}
	if _, err := b.tables(schema, schemaPairs); err != nil {
		return err
	}
	left := len(b) // no table is smaller than a byte
	return b.checkFields(schema, schemaFields, &left)
}

func (b flatbuf) checkFields(table, slot int, left *int) error {
	fields, err := b.tables(table, slot)
	if err != nil {
		return err
	}
	if *left -= len(fields); *left < 0 {
		return errVector
	}
	for _, f := range fields {
		if _, err := b.tables(f, fieldPairs); err != nil {
			return err
		}
		if err := b.checkFields(f, fieldChildren, left); err != nil {
			return err
		}
	}
	return nil
}
