package task

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
)

// listRecord has rows of 784 floats, which count from 0, and of a number.
func listRecord(mem memory.Allocator, rows int) arrow.Record {
	lists := array.NewListBuilder(mem, arrow.PrimitiveTypes.Float32)
	defer lists.Release()
	numbers := array.NewInt64Builder(mem)
	defer numbers.Release()
	for i := range rows {
		lists.Append(true)
		for k := range 784 {
			lists.ValueBuilder().(*array.Float32Builder).Append(float32(i*784 + k))
		}
		numbers.Append(int64(i))
	}
	columns := []arrow.Array{lists.NewArray(), numbers.NewArray()}
	defer columns[0].Release()
	defer columns[1].Release()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "image", Type: columns[0].DataType(), Nullable: true},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil)
	return array.NewRecord(schema, columns, int64(rows))
}

// TestFrame: a frame refers to a record's large buffers until it is released, and is the same
// wherever it is written.
func TestFrame(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	record := listRecord(mem, 40)
	schema, _ := messages(t, record)
	c, err := newCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	f := &frame{}
	for _, rows := range []span{{0, 40}, {7, 30}, {39, 40}, {1, 20}} { // the third is too small to borrow
		part := record.NewSlice(rows.first, rows.end)
		if err := c.encode(f, part); err != nil {
			t.Fatal(err)
		}
		part.Release() // the frame has its own reference
		message := bytes.Join(f.message(), nil)
		checkAligned(t, message, 6)
		if large := rows.rows() > 10; (len(f.pieces()) > 1) != large {
			t.Errorf("rows %d to %d: %d pieces", rows.first, rows.end, len(f.pieces()))
		}
		copied := make([]byte, f.size)
		if f.copyMessage(copied); !bytes.Equal(copied, message) {
			t.Errorf("rows %d to %d: the copy is another message", rows.first, rows.end)
		}
		var sent bytes.Buffer
		if err := f.writeTo(&sent, 1000, int(rows.rows())); err != nil {
			t.Fatal(err)
		}
		typ, payload, err := feed.ReadFrame(&sent)
		if err != nil || typ != feed.TypeChunk || sent.Len() > 0 || !bytes.Equal(payload[12:], message) ||
			binary.BigEndian.Uint64(payload) != 1000 || int64(binary.BigEndian.Uint32(payload[8:])) != rows.rows() {
			t.Errorf("rows %d to %d: frame 0x%02x of %d bytes, %d left, %v", rows.first, rows.end, typ, len(payload), sent.Len(), err)
		}
		reader, err := ipc.NewReader(bytes.NewReader(append(bytes.Clone(schema), message...)))
		if err != nil {
			t.Fatal(err)
		}
		want := record.NewSlice(rows.first, rows.end)
		if got, err := reader.Read(); err != nil || !array.RecordEqual(got, want) {
			t.Errorf("rows %d to %d: %v, %v", rows.first, rows.end, got, err)
		}
		want.Release()
		reader.Release()
	}
	record.Release()
	if mem.CurrentAlloc() == 0 {
		t.Error("the frame does not hold the memory that it refers to")
	}
	f.release()
}

// TestLargeFrame: a message that no chunk may have is counted, and not copied.
func TestLargeFrame(t *testing.T) {
	f := &frame{}
	f.reset()
	piece := make([]byte, borrowedBytes-1) // is copied
	for f.size <= 3*feed.MaxChunk {
		f.borrow(piece)
	}
	if len(f.copied) > feed.ChunkRoom+feed.MaxChunk || len(f.parts) > 0 {
		t.Errorf("%d bytes and %d parts of %d", len(f.copied), len(f.parts), f.size)
	}
}

// TestSlotMemory: chunks of any size come into their slots, one after another, also where slots
// cannot be mapped.
func TestSlotMemory(t *testing.T) {
	const slots = 3
	for _, slotBytes := range []int{64 << 10, 64<<10 + 8} { // a mapping begins with a page
		path := filepath.Join(t.TempDir(), "memory")
		if err := os.WriteFile(path, make([]byte, slots*slotBytes), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		m := openSlots(&feed.Shared{Path: path, Inode: info.Sys().(*syscall.Stat_t).Ino, Slots: slots, SlotBytes: int64(slotBytes)})
		if m == nil {
			t.Fatal("the memory was not opened")
		}
		want := make([]byte, slots*slotBytes)
		for i, c := range []struct{ slot, size int }{{1, 100}, {1, 5000}, {2, slotBytes}, {1, 50}, {0, 1}, {1, slotBytes}, {1, 40960}} {
			message := bytes.Repeat([]byte{byte(i + 1)}, c.size)
			copy(want[c.slot*slotBytes:], message)
			f := &frame{}
			f.reset()
			f.append(message[:c.size/4])
			f.borrow(message[c.size/4:])
			if err := m.write(c.slot, f); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("write %d, of %d bytes into slot %d of %d: the memory is not as wanted, %v", i, c.size, c.slot, slotBytes, err)
			}
		}
		if aligned := slotBytes%os.Getpagesize() == 0; (len(m.slots) == slots) != aligned {
			t.Errorf("%d slots of %d bytes are mapped", len(m.slots), slotBytes)
		}
		m.close()
	}
}
