package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// vectorOf returns a FlatBuffer whose table at byte 12 has a vector in slot 0: its
// length, and then more bytes.
func vectorOf(length uint32, more int) flatbuf {
	b := make(flatbuf, 24+more)
	for at, v := range map[int]uint16{4: 6, 6: 8, 8: 4} { // the vtable: its size, the table's size, the offset of slot 0
		binary.LittleEndian.PutUint16(b[at:], v)
	}
	for at, v := range map[int]uint32{0: 12, 12: 12 - 4, 16: 4, 20: length} {
		binary.LittleEndian.PutUint32(b[at:], v)
	}
	return b
}

// TestVectors: a vector is as long as its buffer allows.
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		length uint32
		more   int
		tables bool // whether so many tables fit
		blocks bool
	}{
		{0, 0, true, true}, {1, 3, false, false}, {1, 4, true, false}, {2, 7, false, false}, {2, 8, true, false},
		{1, 23, true, false}, {1, 24, true, true}, {2, 47, true, false}, {2, 48, true, true}, {1<<32 - 1, 48, false, false},
	} {
		b := vectorOf(c.length, c.more)
		tables, err := b.tables(12, 0)
		if (err == nil) != c.tables || err == nil && len(tables) != int(c.length) {
			t.Errorf("%d tables in %d bytes: %v, %v", c.length, c.more, tables, err)
		}
		blocks, err := b.blocks(12, 0)
		if (err == nil) != c.blocks || err == nil && len(blocks) != int(c.length) {
			t.Errorf("%d blocks in %d bytes: %v, %v", c.length, c.more, blocks, err)
		}
	}
	none := vectorOf(1, 4)
	if tables, err := none.tables(12, 1); len(tables) > 0 || err != nil {
		t.Errorf("a slot that is not set: %v, %v", tables, err)
	}
	if blocks, err := none.blocks(12, 1); len(blocks) > 0 || err != nil {
		t.Errorf("a slot that is not set: %v, %v", blocks, err)
	}
	if _, err := vectorOf(0, 0).schemaMessage(); !errors.Is(err, errFooter) {
		t.Errorf("a footer without a schema: %v", err)
	}
}

// schemaMeta returns the metadata of a schema message.
func schemaMeta(t *testing.T) flatbuf {
	t.Helper()
	pairs := arrow.NewMetadata([]string{"k"}, []string{"v"})
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Metadata: pairs, Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})}}, &pairs)
	var b bytes.Buffer
	if err := ipc.NewWriter(&b, ipc.WithSchema(schema)).Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[8:][:binary.LittleEndian.Uint32(b.Bytes()[4:])]
}

// TestCheckSchema: a vector of a schema, of any of its fields or of their
// metadata, that is longer than the message is an error.
func TestCheckSchema(t *testing.T) {
	if err := checkSchema(schemaMeta(t)); err != nil {
		t.Fatal(err)
	}
	for name, find := range map[string]func(b flatbuf, schema, field int) int{
		"fields":            func(b flatbuf, schema, _ int) int { return b.slot(schema, schemaFields) },
		"schema's metadata": func(b flatbuf, schema, _ int) int { return b.slot(schema, schemaPairs) },
		"children":          func(b flatbuf, _, field int) int { return b.slot(field, fieldChildren) },
		"field's metadata":  func(b flatbuf, _, field int) int { return b.slot(field, fieldPairs) },
	} {
		b := schemaMeta(t)
		header := b.slot(b.uint32(0), messageHeader)
		schema := header + b.uint32(header)
		fields, err := b.tables(schema, schemaFields)
		if err != nil || len(fields) != 1 {
			t.Fatal(fields, err)
		}
		at := find(b, schema, fields[0])
		at += b.uint32(at)
		binary.LittleEndian.PutUint32(b[at:], 1<<30)
		if err := checkSchema(b); !errors.Is(err, errVector) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := schemaMeta(t)
	header := b.slot(b.uint32(0), messageHeader)
	schema := header + b.uint32(header)
	left := 2
	if err := b.checkFields(schema, schemaFields, &left); err != nil || left != 0 {
		t.Errorf("two fields where two may be: %v, %d left", err, left)
	}
	left = 1
	if err := b.checkFields(schema, schemaFields, &left); !errors.Is(err, errVector) {
		t.Errorf("two fields where one may be: %v", err)
	}
	vtable := schema - int(int32(b.uint32(schema)))
	vector := binary.LittleEndian.Uint16(b[vtable+4+2*schemaFields:]) // a small number: its first byte is not 0, its last one is
	for more, want := range map[uint16]error{0: errEndian, 3: nil} {
		binary.LittleEndian.PutUint16(b[vtable+4:], vector+more)
		if err := checkSchema(b); !errors.Is(err, want) {
			t.Errorf("the byte order %d: %v", b[schema+int(vector+more)], err)
		}
	}
}

// TestSeekNext: a block of the footer lies between the magic and the footer.
func TestSeekNext(t *testing.T) {
	for _, c := range []struct {
		block
		fits bool
	}{
		{block{8, 40, 52}, true}, {block{8, 0, 0}, true}, {block{100, 0, 0}, true}, {block{8, 92, 0}, true},
		{block{7, 8, 8}, false}, {block{-8, 8, 8}, false}, {block{101, 0, 0}, false}, {block{8, 93, 0}, false}, {block{8, 40, 53}, false},
		{block{8, -1, 8}, false}, {block{8, 8, -1}, false}, {block{8, 1 << 40, 8}, false}, {block{8, 8, 1<<63 - 1}, false},
	} {
		m := &messages{file: true, end: 100, blocks: []block{c.block}}
		if err := m.seekNext(); (err == nil) != c.fits || c.fits && (m.at != c.offset || m.start != c.offset) {
			t.Errorf("%+v: %v, at %d", c.block, err, m.at)
		}
		if err := m.seekNext(); err != io.EOF {
			t.Errorf("behind the last block: %v", err)
		}
	}
}
