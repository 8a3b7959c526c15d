package arrays

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/compute"

	"tfos/internal/files/codec"
)

// castStored casts arrays that the library's casts do not support. It first
// converts them to plain arrays.
func (c Caster) castStored(a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	plain, err := c.toPlain(a)
	if err != nil {
		return nil, err
	}
	defer plain.Release()
	return c.Cast(plain, to)
}

func (c Caster) toPlain(a arrow.Array) (arrow.Array, error) {
	switch a := a.(type) {
	case *array.StringView:
		b := array.NewStringBuilder(c.Mem)
		return copyValues(a, b, func(v []byte) { b.BinaryBuilder.Append(v) }), nil
	case *array.BinaryView:
		b := array.NewBinaryBuilder(c.Mem, arrow.BinaryTypes.Binary)
		return copyValues(a, b, b.Append), nil
	case *array.RunEndEncoded:
		return c.expandRuns(a)
	case *array.Dictionary:
		values, err := c.Cast(a.Dictionary(), plainType(a.Dictionary().DataType()))
		if err != nil {
			return nil, err
		}
		defer values.Release()
		t := &arrow.DictionaryType{IndexType: a.Indices().DataType(), ValueType: values.DataType()}
		return array.NewDictionaryArray(t, a.Indices(), values), nil
	}
	return nil, fmt.Errorf("%w: %s", codec.ErrType, a.DataType())
}

// copyValues appends the values of an array of text to a builder, and releases
// the builder.
func copyValues(a arrow.Array, b array.Builder, appendValue func([]byte)) arrow.Array {
	defer b.Release()
	value := textOf(a)
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
		} else {
			appendValue(value(i))
		}
	}
	return b.NewArray()
}

// expandRuns repeats the value of each run.
func (c Caster) expandRuns(a *array.RunEndEncoded) (arrow.Array, error) {
	values, err := c.Cast(a.Values(), plainType(a.Values().DataType()))
	if err != nil {
		return nil, err
	}
	defer values.Release()
	at := array.NewInt64Builder(c.Mem)
	defer at.Release()
	at.Reserve(a.Len())
	for i := range a.Len() {
		at.UnsafeAppend(int64(a.GetPhysicalIndex(i)))
	}
	indices := at.NewArray()
	defer indices.Release()
	return compute.TakeArray(compute.WithAllocator(context.Background(), c.Mem), values, indices)
}
