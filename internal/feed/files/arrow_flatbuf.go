package files

import (
	"encoding/binary"
	"errors"
)

// The slots of the FlatBuffers tables (format/Message.fbs, Schema.fbs) that
// hold vectors whose length the library allocates for.
const (
	messageKind   = 1
	messageHeader = 2
	schemaFields  = 1
	schemaPairs   = 2
	fieldChildren = 5
	fieldPairs    = 6
)

// batchRows is the slot of a record batch that holds its number of rows.
const batchRows = 0

// batchLength is the number of rows of a record batch's message.
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

// schemaHeader is the kind of a message that holds a schema.
const schemaHeader = 1

var errVector = errors.New("its schema is damaged")

// flatbuf is a FlatBuffer. Its methods panic where it points beyond itself, as
// the library does: they run guarded.
type flatbuf []byte

func (b flatbuf) uint32(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }

// slot is the place of a table's slot; 0: it is not set.
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

// tables are those of the vector in a slot.
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

// checkSchema looks that a schema message has no longer vectors than bytes: the
// library would ask for the memory, and the process would end.
func checkSchema(meta []byte) error {
	b := flatbuf(meta)
	message := b.uint32(0)
	kind, header := b.slot(message, messageKind), b.slot(message, messageHeader)
	if kind == 0 || header == 0 || b[kind] != schemaHeader {
		return nil
	}
	schema := header + b.uint32(header)
	if _, err := b.tables(schema, schemaPairs); err != nil {
		return err
	}
	left := len(b) // no table is smaller than a byte
	return b.fields(schema, schemaFields, &left)
}

func (b flatbuf) fields(table, slot int, left *int) error {
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
		if err := b.fields(f, fieldChildren, left); err != nil {
			return err
		}
	}
	return nil
}
