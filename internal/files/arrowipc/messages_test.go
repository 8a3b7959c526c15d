package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

// threeBatches writes three record batches of one number each.
func threeBatches(t *testing.T, begin func(w *bytes.Buffer, schema *arrow.Schema) codec.Writer) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	var b bytes.Buffer
	w := begin(&b, schema)
	for i := range 3 {
		build := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		build.Field(0).(*array.Int64Builder).Append(int64(i))
		r := build.NewRecord()
		err := w.Write(r)
		r.Release()
		build.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(t *testing.T, content []byte, split codec.Split) *messages {
	t.Helper()
	split.Path = filepath.Join(t.TempDir(), "a.arrow")
	if err := os.WriteFile(split.Path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := codec.OpenSource(t.Context(), split)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	m, err := openMessages(s, split, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Release)
	return m
}

// TestBatchesInAnotherOrder: a footer may list the batches in any order. Those
// outside the split are passed over.
func TestBatchesInAnotherOrder(t *testing.T) {
	content := threeBatches(t, func(b *bytes.Buffer, schema *arrow.Schema) codec.Writer {
		w, err := Codec{}.Create(b, schema, codec.WriteOptions{Memory: memory.DefaultAllocator})
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
	for want := range 3 {
		m := openBytes(t, content, codec.Split{Length: 1})
		m.split.Offset = m.blocks[want].offset
		slices.Reverse(m.blocks)
		var kinds []ipc.MessageType
		for {
			message, err := m.Message()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, message.Type())
			if message.Type() == ipc.MessageRecordBatch && m.start != m.split.Offset {
				t.Errorf("the batch at %d is in the split at %d", m.start, m.split.Offset)
			}
		}
		if !slices.Equal(kinds, []ipc.MessageType{ipc.MessageSchema, ipc.MessageRecordBatch}) {
			t.Errorf("batch %d: messages %v", want, kinds)
		}
	}
}

// TestSizesOfMessages: a message has its body in the file, and its schema is
// checked before the library reads it.
func TestSizesOfMessages(t *testing.T) {
	content := threeBatches(t, func(b *bytes.Buffer, schema *arrow.Schema) codec.Writer {
		return ipc.NewWriter(b, ipc.WithSchema(schema))
	})
	const prefix, messageBody = 8, 3
	metaOf := func(b []byte) flatbuf { return b[prefix:][:binary.LittleEndian.Uint32(b[4:])] }
	first := prefix + len(metaOf(content)) // the first batch
	meta := metaOf(content[first:])
	left := int64(len(content) - first - prefix - len(meta))
	for _, c := range []struct {
		size int64
		fits bool
	}{{left, true}, {left + 1, false}, {-1, false}, {1 << 60, false}} {
		b := bytes.Clone(content)
		meta := metaOf(b[first:])
		binary.LittleEndian.PutUint64(meta[meta.slot(meta.uint32(0), messageBody):], uint64(c.size))
		m := openBytes(t, b, codec.Split{Length: int64(len(b))})
		if _, err := m.Message(); err != nil {
			t.Fatal(err)
		}
		err := codec.RecoverPanic(func() error { _, err := m.Message(); return err })
		if says := err != nil && strings.HasPrefix(err.Error(), "a message with"); (err == nil) != c.fits || says == c.fits {
			t.Errorf("%d bytes where %d are left: %v", c.size, left, err)
		}
	}
	b := bytes.Clone(content)
	meta = metaOf(b)
	header := meta.slot(meta.uint32(0), messageHeader)
	at := meta.slot(header+meta.uint32(header), schemaFields)
	binary.LittleEndian.PutUint32(meta[at+meta.uint32(at):], 1<<30)
	if _, err := openBytes(t, b, codec.Split{Length: int64(len(b))}).Message(); !errors.Is(err, errVector) {
		t.Errorf("a schema of 2^30 fields: %v", err)
	}
}

// TestBuffersAreBounded: a size that a damaged file names is no allocation.
func TestBuffersAreBounded(t *testing.T) {
	for size, fits := range map[int]bool{0: true, 1: true, maxBuffer: true, maxBuffer + 1: false, -1: false} {
		if err := codec.RecoverPanic(func() error { checkBufferSize(size); return nil }); (err == nil) != fits {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
