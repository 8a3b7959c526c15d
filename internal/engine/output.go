package engine

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
)

// toArray copies an output tensor into a new array of rows rows. The caller releases
// the array and still owns the tensor. A tensor that is not one value a row, or of
// another type than the signature's, is a *model.MismatchError. Strings that are not
// UTF-8 are a model.RowErrors.
func toArray(mem memory.Allocator, t *tensor, out model.Output, rows int64) (arrow.Array, error) {
	shape := t.shape()
	if len(shape) == 0 || shape[0] != rows {
		return nil, outputError(out, fmt.Sprintf("%d rows gave a tensor of shape %s, not one value a row", rows, model.ShapeString(shape)))
	}
	dtype := t.dtype()
	want := model.ColumnType(dtype, out.Binary, len(shape))
	if want == nil || (out.ColumnType != nil && !arrow.TypeEqual(want, out.ColumnType)) {
		return nil, outputError(out, fmt.Sprintf("it came out as %s %s, the signature says %s", dtype, model.ShapeString(shape), out.Tensor))
	}
	total := elementCount(shape)
	if total > math.MaxInt32 {
		return nil, outputError(out, fmt.Sprintf("%d elements are too many for a column: lower batch_size", total))
	}
	data, err := elements(mem, t, dtype, int(total), out)
	if err != nil {
		return nil, err
	}
	data = nest(mem, data, shape)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func outputError(out model.Output, problem string) error {
	return &model.MismatchError{Problems: []string{"output " + out.Alias + ": " + problem}}
}

// elements copies a tensor's elements into flat Arrow data.
func elements(mem memory.Allocator, t *tensor, d model.DType, n int, out model.Output) (arrow.ArrayData, error) {
	raw := t.bytes()
	switch d {
	case model.String:
		return texts(mem, t, n, out)
	case model.Bool:
		return bitmap(mem, raw), nil
	case model.Float16, model.BFloat16:
		return widened(mem, raw, d), nil
	}
	buffer := memory.NewResizableBuffer(mem)
	defer buffer.Release()
	buffer.Resize(len(raw))
	copy(buffer.Bytes(), raw)
	return array.NewData(d.ElementType(), n, []*memory.Buffer{nil, buffer}, nil, 0, 0), nil
}

func bitmap(mem memory.Allocator, raw []byte) arrow.ArrayData {
	b := array.NewBooleanBuilder(mem)
	defer b.Release()
	b.Reserve(len(raw))
	for _, v := range raw {
		b.UnsafeAppend(v != 0)
	}
	return arrayData(b)
}

func widened(mem memory.Allocator, raw []byte, d model.DType) arrow.ArrayData {
	b := array.NewFloat32Builder(mem)
	defer b.Release()
	b.Reserve(len(raw) / 2)
	if d == model.Float16 {
		for _, v := range arrow.Uint16Traits.CastFromBytes(raw) {
			b.UnsafeAppend(model.HalfFloat(v))
		}
	} else {
		for _, v := range arrow.Uint16Traits.CastFromBytes(raw) {
			b.UnsafeAppend(math.Float32frombits(uint32(v) << 16)) // a bfloat16 is a float32's upper half
		}
	}
	return arrayData(b)
}

func texts(mem memory.Allocator, t *tensor, n int, out model.Output) (arrow.ArrayData, error) {
	perRow := max(1, int64(n)/max(1, t.shape()[0]))
	kind := arrow.BinaryDataType(arrow.BinaryTypes.String)
	if out.Binary {
		kind = arrow.BinaryTypes.Binary
	}
	b := array.NewBinaryBuilder(mem, kind)
	defer b.Release()
	texts, total := t.texts(), 0
	var unfit model.RowErrors
	for i, s := range texts {
		if total += len(s); total > math.MaxInt32 {
			return nil, outputError(out, "its texts are more than 2 GiB in a batch: lower batch_size")
		}
		if row := int64(i) / perRow; !out.Binary && !utf8.Valid(s) && (len(unfit) == 0 || unfit[len(unfit)-1].Row != row) {
			unfit = append(unfit, &model.RowError{Row: row, Column: out.Column,
				Reason: fmt.Sprintf("output %s is not UTF-8 text: where it is bytes, name it in binary_outputs (--binary-output %s)", out.Alias, out.Alias)})
		}
	}
	if len(unfit) > 0 {
		return nil, unfit
	}
	b.Reserve(n)
	b.ReserveData(total)
	for _, s := range texts {
		b.Append(s)
	}
	return arrayData(b), nil
}

// arrayData returns the data of a builder's array. The caller releases it.
func arrayData(b array.Builder) arrow.ArrayData {
	a := b.NewArray()
	defer a.Release()
	a.Data().Retain()
	return a.Data()
}

// nest wraps elements in lists until they have the tensor's shape. It takes ownership of
// data. The caller releases the result.
func nest(mem memory.Allocator, data arrow.ArrayData, shape []int64) arrow.ArrayData {
	for level := len(shape) - 1; level > 0; level-- {
		lists := 1
		for _, d := range shape[:level] {
			lists *= int(d)
		}
		offsets := memory.NewResizableBuffer(mem)
		offsets.Resize((lists + 1) * arrow.Int32SizeBytes)
		at := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
		for i := range at {
			at[i] = int32(i * int(shape[level]))
		}
		list := array.NewData(arrow.ListOf(data.DataType()), lists, []*memory.Buffer{nil, offsets}, []arrow.ArrayData{data}, 0, 0)
		data.Release()
		offsets.Release()
		data = list
	}
	return data
}
