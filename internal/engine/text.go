package engine

import (
	"fmt"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"
	tf "github.com/wamuir/graft/tensorflow"

	"tfos/internal/model"
)

// stringTensor copies the values into a new string tensor, and says how many
// bytes that holds. TF_TensorBitcastFrom, which is graft's Reshape, refuses
// strings: the shape comes from nested slices.
func (r *rows) stringTensor(shape []int64, in model.Input) (*tf.Tensor, int64, error) {
	values := make([]string, r.end-r.start)
	held := int64(0)
	for i := range values {
		values[i] = text(r.values, r.start+i)
		held += stringBytes(values[i])
	}
	t, err := tf.NewTensor(nestTexts(values, shape))
	if err != nil {
		return nil, 0, fmt.Errorf("engine: input %s: tensor of shape %v: %w", in.Alias, shape, err)
	}
	return t, held, nil
}

// stringBytes is what a string takes in a tensor: TF_TString has 24 bytes and
// holds up to 22 of them itself.
func stringBytes(s string) int64 {
	if len(s) <= 22 {
		return 24
	}
	return 24 + int64(len(s))
}

func text(values arrow.Array, i int) string {
	switch v := values.(type) {
	case interface{ Value(int) string }:
		return v.Value(i)
	case interface{ Value(int) []byte }:
		return string(v.Value(i))
	}
	panic("engine: a column of " + values.DataType().String() + " was bound to a string tensor")
}

// nestTexts is values as slices of slices of this shape: []string at rank 1,
// [][]string at rank 2.
func nestTexts(values []string, shape []int64) any {
	nested := reflect.ValueOf(values)
	for level := len(shape) - 1; level > 0; level-- {
		count := 1
		for _, d := range shape[:level] {
			count *= int(d)
		}
		outer := reflect.MakeSlice(reflect.SliceOf(nested.Type()), count, count)
		for i := range count {
			from := i * int(shape[level])
			outer.Index(i).Set(nested.Slice(from, from+int(shape[level])))
		}
		nested = outer
	}
	return nested.Interface()
}

// flatTexts appends the strings of nested slices, in order.
func flatTexts(to []string, nested reflect.Value) []string {
	if values, ok := nested.Interface().([]string); ok {
		return append(to, values...)
	}
	for i := range nested.Len() {
		to = flatTexts(to, nested.Index(i))
	}
	return to
}
