package arrowipc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

var numbered = filestest.SchemaOf(filestest.Nullable("id", arrow.PrimitiveTypes.Int64), filestest.Nullable("s", arrow.BinaryTypes.String))

// streamOf writes each text as one record batch of a stream.
func streamOf(t *testing.T, schema *arrow.Schema, batches ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	for _, rows := range batches {
		r, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(r)
		r.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestStreams reads the stream format, which has no footer: whole, and in any
// splits. Each split knows the number of its first row.
func TestStreams(t *testing.T) {
	stream := streamOf(t, numbered, `[{"id":0,"s":"a"},{"id":1}]`, `[]`, `[{"id":2,"s":"b"}]`, `[{"id":3,"s":"c"},{"id":4,"s":"d"},{"id":5,"s":"e"}]`)
	path := filestest.File(t, "a.arrows", stream)
	filestest.WantRows(t, files.Arrow, path, files.ReadOptions{BatchRows: 2}, "id:int64 s:utf8",
		`{"id":0,"s":"a"}`, `{"id":1,"s":null}`, `{"id":2,"s":"b"}`, `{"id":3,"s":"c"}`, `{"id":4,"s":"d"}`, `{"id":5,"s":"e"}`)
	filestest.CutsAgree(t, files.Arrow, path, files.ReadOptions{}, 3)
	d, err := files.Open(t.Context(), files.Arrow, path, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	var begin []int64
	for _, s := range splits {
		r, err := d.Read(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if record, err := r.Next(); err == nil {
			id := record.Column(0).(*array.Int64).Value(0)
			if first, known := files.FirstRow(r); !known || first != id {
				t.Errorf("the split at %d begins with row %d, known %t, and has row %d", s.Offset, first, known, id)
			}
			begin = append(begin, id)
			record.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(begin, []int64{0, 2, 3}) {
		t.Errorf("splits begin with rows %v", begin)
	}
}

// TestStreamsCutShort: a stream without its end mark may lack rows.
func TestStreamsCutShort(t *testing.T) {
	stream := streamOf(t, numbered, `[{"id":0,"s":"a"}]`, `[{"id":1,"s":"b"}]`)
	for n := 1; n < len(stream)-4; n += 3 { // the last four bytes of the mark say nothing
		_, _, err := filestest.OpenRows(t, files.Arrow, filestest.File(t, "a.arrows", stream[:n]), files.ReadOptions{})
		var damage *files.Error
		if !errors.As(err, &damage) {
			t.Errorf("%d of %d bytes: %v", n, len(stream), err)
		}
	}
}

// TestDamagedStreams: sizes that the file cannot have are an error that says
// so. Nothing of that size is allocated.
func TestDamagedStreams(t *testing.T) {
	stream := streamOf(t, numbered, `[{"id":0,"s":"a"}]`)
	meta := int(binary.LittleEndian.Uint32(stream[4:]))
	batch := 8 + meta // the second message
	for name, c := range map[string]struct {
		change func(b []byte)
		says   string
	}{
		"metadata":                         {func(b []byte) { binary.LittleEndian.PutUint32(b[batch+4:], 1<<31-8) }, "bytes of metadata where"},
		"more metadata than a message has": {func(b []byte) { binary.LittleEndian.PutUint32(b[batch+4:], 1<<31+8) }, "bytes of metadata where"},
		"Feather":                          {func(b []byte) { copy(b, "FEA1") }, "Feather file of version 1"},
	} {
		b := bytes.Clone(stream)
		c.change(b)
		_, _, err := filestest.OpenRows(t, files.Arrow, filestest.File(t, "a.arrow", b), files.ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	good := filestest.MustWrite(t, files.Arrow, numbered, files.WriteOptions{}, `[{"id":0,"s":"a"}]`)
	for name, at := range map[string]int{"magic": len(good) - 1, "footer's size": len(good) - 7} {
		b := bytes.Clone(good)
		b[at] ^= 0x40
		_, _, err := filestest.OpenRows(t, files.Arrow, filestest.File(t, "a.arrow", b), files.ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), "does not end with a footer") {
			t.Errorf("another %s: %v", name, err)
		}
	}
}
