package task

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// Batches are right whichever memory they are in: Arrow's casts, of dictionaries
// here, write where they were given room.
func TestBatchesInUsedMemory(t *testing.T) {
	const batches = 4
	for _, length := range []int{10, 64, 999} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			folder, batch := t.TempDir(), 128<<10/length // what a Recycler keeps
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
				writeArrow(t, fmt.Sprintf("%s/%d.arrow", folder, i), array.NewRecord(schema, []arrow.Array{b.NewArray()}, int64(batch)))
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
