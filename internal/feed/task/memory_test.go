package task

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed/files"
)

// same says that b is in the memory of a.
func same(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }

func TestRecyclerGivesMemoryAgain(t *testing.T) {
	r := &recycler{}
	first := r.Allocate(1 << 20)
	first[3] = 7
	if second := r.Allocate(1 << 20); same(first, second) {
		t.Fatal("memory that is in use was given away")
	}
	r.Free(first[:10]) // as a buffer that shrank has it
	if other := r.Allocate(1<<20 - 64); same(first, other) || cap(other) != len(other) {
		t.Errorf("got %d bytes with room for %d", len(other), cap(other))
	}
	again := r.Allocate(1 << 20)
	if !same(first, again) || len(again) != 1<<20 {
		t.Errorf("got %d other bytes", len(again))
	}
	if !bytes.Equal(again, make([]byte, len(again))) {
		t.Error("it is not zero")
	}
	if other := r.Allocate(1 << 20); same(first, other) {
		t.Error("memory that is in use was given away")
	}
}

func TestRecyclerReallocates(t *testing.T) {
	r := &recycler{}
	b := r.Allocate(1024)
	copy(b, "rows")
	if shrunk := r.Reallocate(10, b); !same(b, shrunk) || len(shrunk) != 10 {
		t.Errorf("got %d other bytes", len(shrunk))
	}
	grown := r.Reallocate(5056, b[:10])
	if same(b, grown) || !bytes.Equal(grown, append([]byte("rows"), make([]byte, 5052)...)) {
		t.Error("larger memory has other content")
	}
	if !same(b, r.Allocate(1024)) {
		t.Error("the smaller memory is not used again")
	}
}

// Cells may be as large as memory: what is kept is bounded, and old lengths do not
// keep new ones out.
func TestRecyclerKeepsSoMuch(t *testing.T) {
	r := &recycler{}
	var all [][]byte
	for range 4 {
		all = append(all, r.Allocate(memoryKept/4))
	}
	all = append(all, r.Allocate(memoryKept+64), r.Allocate(0))
	for _, b := range all {
		r.Free(b)
	}
	if r.bytes != memoryKept {
		t.Errorf("%d bytes are kept", r.bytes)
	}
	b := r.Allocate(4096)
	r.Free(b)
	if r.bytes != 4096 || !same(b, r.Allocate(4096)) {
		t.Errorf("%d bytes are kept", r.bytes)
	}
	if r.bytes != 0 {
		t.Errorf("%d bytes are kept, and none", r.bytes)
	}
}

// Batches are right whichever memory they are in: Arrow's casts, of dictionaries
// here, write where they were given room.
func TestBatchesInUsedMemory(t *testing.T) {
	const batch, batches = 40, 6
	for _, length := range []int{10, 64, 999} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			folder := t.TempDir()
			kind := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
			word := func(row int) string { return fmt.Sprintf("%0*d", length, row) }
			for i := range batches {
				b := array.NewDictionaryBuilder(memory.DefaultAllocator, kind)
				for row := range batch {
					if err := b.AppendValueFromString(word(i*batch + row)); err != nil {
						t.Fatal(err)
					}
				}
				schema := arrow.NewSchema([]arrow.Field{{Name: "word", Type: kind}}, nil)
				writeArrow(t, fmt.Sprintf("%s/%d.arrow", folder, i), array.NewRecord(schema, []arrow.Array{b.NewArray()}, batch))
			}
			found, err := Plan(t.Context(), Input{Format: files.Arrow, Path: folder, Slots: 1})
			if err != nil {
				t.Fatal(err)
			}
			schema, err := files.DecodeSchema(found.Files.Schema)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := openFiles(found.Files, schema, slices.Concat(found.Partitions...))
			if err != nil {
				t.Fatal(err)
			}
			defer rows.close()
			read := 0
			for {
				b, err := rows.next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				words := b.record.Column(0).(*array.String)
				for i := range words.Len() {
					if got := words.Value(i); got != word(read) {
						t.Fatalf("row %d is %q", read, got)
					}
					read++
				}
			}
			if read != batch*batches {
				t.Errorf("%d rows", read)
			}
		})
	}
}
