package engine_test

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/engine"
)

// Large columns are tensors where they lie, if they are aligned there, until the tensor is
// freed. Others are copied.
func TestTensorsBorrowAlignedMemory(t *testing.T) {
	needTensorFlow(t)
	const length = 20 // 80 bytes: each fourth row is aligned
	for _, test := range []struct {
		name        string
		first, rows int64
		borrowed    bool
	}{
		{"aligned", 4, 128, true},
		{"between", 3, 128, false},
		{"small", 0, 16, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			b := array.NewListBuilder(mem, arrow.PrimitiveTypes.Float32)
			defer b.Release()
			var want []float32
			for row := range int64(200) {
				b.Append(true)
				for i := range length {
					value := float32(row*1000) + float32(i)
					b.ValueBuilder().(*array.Float32Builder).Append(value)
					if row >= test.first && row < test.first+test.rows {
						want = append(want, value)
					}
				}
			}
			whole := b.NewArray()
			column := array.NewSlice(whole, test.first, test.first+test.rows)
			values, borrowed, free, err := engine.TensorOf(column, length)
			if err != nil {
				t.Fatal(err)
			}
			if borrowed != test.borrowed {
				t.Errorf("borrowed: %t", borrowed)
			}
			whole.Release()
			column.Release()
			if kept := mem.CurrentAlloc() > 0; kept != test.borrowed {
				t.Errorf("memory is kept for the tensor: %t", kept)
			}
			if !slices.Equal(values, want) {
				t.Error("the tensor has other values")
			}
			free()
		})
	}
}
