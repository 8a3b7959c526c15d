package arrowipc

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

func TestCheckRecord(t *testing.T) {
	offsets := func(v ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v)) }
	text := memory.NewBufferBytes([]byte("abcdef"))
	for _, tt := range []struct {
		offsets *memory.Buffer
		fits    bool
	}{{offsets(0, 2, 6), true}, {offsets(0, 5, 2), false}, {offsets(0, 2, 7), false}, {offsets(-1, 2, 3), false}, {offsets(0, 2), false}} {
		data := array.NewData(arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, tt.offsets, text}, nil, 0, 0)
		if err := checkArray(data); (err == nil) != tt.fits {
			t.Errorf("offsets %v: %v", arrow.Int32Traits.CastFromBytes(tt.offsets.Bytes()), err)
		}
	}
	short := array.NewData(arrow.PrimitiveTypes.Int64, 3, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 16))}, nil, 0, 0)
	if err := checkArray(short); err == nil {
		t.Error("three numbers in 16 bytes")
	}
}
