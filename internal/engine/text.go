package engine

import (
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// stringTensor copies the values into a new string tensor.
func (r *rows) stringTensor(shape []int64, in model.Input) (*tensor, error) {
	t, err := newTexts(shape)
	if err != nil {
		return nil, inputError(in, err)
	}
	for i := range r.end - r.start {
		t.setText(i, stringAt(r.values, r.start+i))
	}
	return t, nil
}

// stringAt returns a value without a copy: it is in the array's memory.
func stringAt(values arrow.Array, i int) string {
	switch v := values.(type) {
	case interface{ Value(int) string }:
		return v.Value(i)
	case interface{ Value(int) []byte }:
		b := v.Value(i)
		return unsafe.String(unsafe.SliceData(b), len(b))
	}
	panic("engine: a column of " + values.DataType().String() + " was bound to a string tensor")
}
