package task

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

const testRows = `[
 {"n": 1, "ok": true, "text": "a", "list": [1.5, 2.5], "deep": {"x": [[1], []], "y": null}},
 {"n": null, "ok": null, "text": "", "list": [], "deep": null},
 {"n": 3, "ok": false, "text": "ccc", "list": null, "deep": {"x": null, "y": "q"}},
 {"n": 4, "ok": true, "text": null, "list": [4.5], "deep": {"x": [[7, 8], null], "y": "r"}}
]`

func testRecord(t *testing.T) arrow.Record {
	t.Helper()
	deep := arrow.StructOf(
		arrow.Field{Name: "x", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int32)), Nullable: true},
		arrow.Field{Name: "y", Type: arrow.BinaryTypes.String, Nullable: true})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true},
		{Name: "deep", Type: deep, Nullable: true},
	}, nil)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(testRows))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// messages cuts an Arrow stream into the schema's and the batches' messages.
func messages(t *testing.T, record arrow.Record) (schema, batch []byte) {
	t.Helper()
	var head, all bytes.Buffer
	for _, w := range []struct {
		out   *bytes.Buffer
		write bool
	}{{&head, false}, {&all, true}} {
		writer := ipc.NewWriter(w.out, ipc.WithSchema(record.Schema()))
		if w.write {
			if err := writer.Write(record); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const end = 8 // of a stream
	schema = head.Bytes()[:head.Len()-end]
	return schema, all.Bytes()[len(schema) : all.Len()-end]
}

// TestCodec: every cut of a batch reads back as those rows, is as large as it says, and
// its buffers are aligned.
func TestCodec(t *testing.T) {
	record := testRecord(t)
	schema, message := messages(t, record)
	c, err := newCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	f := &frame{}
	for first := range record.NumRows() {
		for end := first; end <= record.NumRows(); end++ {
			read, err := c.decode(message)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.encode(f, read.NewSlice(first, end)); err != nil {
				t.Fatal(err)
			}
			sent := bytes.Join(f.message(), nil)
			if len(sent) != f.size {
				t.Errorf("size %d of %d bytes", f.size, len(sent))
			}
			checkAligned(t, sent, 21)
			stream := bytes.NewReader(append(bytes.Clone(schema), sent...))
			reader, err := ipc.NewReader(stream)
			if err != nil {
				t.Fatal(err)
			}
			got, err := reader.Read()
			if err != nil || !array.RecordEqual(got, record.NewSlice(first, end)) {
				t.Errorf("rows %d to %d: %v, %v", first, end, got, err)
			}
		}
	}
}

// checkAligned checks that each buffer of a record batch message begins at a multiple of
// 64 bytes from the message's begin.
func checkAligned(t *testing.T, message []byte, buffers int) {
	t.Helper()
	body := 8 + int(binary.LittleEndian.Uint32(message[4:]))
	meta := message[8:body]
	root := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	var batch flatbuffers.Table
	root.Union(&batch, flatbuffers.UOffsetT(root.Offset(messageHeader)))
	vector := flatbuffers.UOffsetT(batch.Offset(batchBuffers))
	if n := batch.VectorLen(vector); n != buffers {
		t.Fatalf("%d buffers", n)
	}
	for i := range batch.VectorLen(vector) {
		at := body + int(batch.GetInt64(batch.Vector(vector)+flatbuffers.UOffsetT(16*i)))
		if at%64 != 0 || at > len(message) {
			t.Errorf("buffer %d at %d of %d", i, at, len(message))
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	schema, message := messages(t, testRecord(t))
	for _, broken := range [][]byte{nil, schema[:7], schema[:20], message} {
		if _, err := newCodec(broken); err == nil {
			t.Errorf("schema of %d bytes was taken", len(broken))
		}
	}
	for _, broken := range [][]byte{{}, message[:4], message[:40], message[:len(message)-8], schema} {
		c, err := newCodec(schema)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(broken); err == nil {
			t.Errorf("batch of %d bytes was taken", len(broken))
		}
	}
}

// TestRows: the rows of a message, without reading it.
func TestRows(t *testing.T) {
	record := testRecord(t)
	schema, message := messages(t, record)
	codec, err := newCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := codec.rows(message); n != 4 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	_, none := messages(t, record.NewSlice(2, 2))
	if n, err := codec.rows(none); n != 0 || err != nil {
		t.Errorf("of none: %d rows, %v", n, err)
	}
	if n, err := codec.rows(schema); err == nil {
		t.Errorf("of a schema: %d rows", n)
	}
	for size := range message {
		if n, err := codec.rows(message[:size]); err == nil {
			t.Errorf("of %d bytes of %d: %d rows", size, len(message), n)
		}
	}
	for at := 8; at < 40; at++ { // offsets that lead nowhere
		damaged := bytes.Clone(message)
		damaged[at] ^= 0xff
		_, _ = codec.rows(damaged)
	}
}
