package engine

import (
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	tf "github.com/wamuir/graft/tensorflow"

	"tfos/internal/model"
)

// toArray copies an output tensor into a new array of rows rows, which is the
// caller's, and says how many bytes the tensor holds.
func toArray(mem memory.Allocator, t *tf.Tensor, out model.Output, rows int64) (arrow.Array, int64, error) {
	shape := t.Shape()
	if len(shape) == 0 || shape[0] != rows {
		return nil, 0, outputError(out, fmt.Sprintf("%d rows gave a tensor of shape %s, not one value a row", rows, model.ShapeString(shape)))
	}
	dtype := model.DType(t.DataType())
	want := model.ColumnType(dtype, len(shape))
	if want == nil || (out.ColumnType != nil && !arrow.TypeEqual(want, out.ColumnType)) {
		return nil, 0, outputError(out, fmt.Sprintf("it came out as %s %s, the signature says %s", dtype, model.ShapeString(shape), out.Tensor))
	}
	total := int64(1)
	for _, d := range shape {
		total *= d
	}
	if total > math.MaxInt32 {
		return nil, 0, outputError(out, fmt.Sprintf("%d elements are too many for a column: lower batch_size", total))
	}
	data, held, err := elements(mem, t, dtype, int(total), out)
	if err != nil {
		return nil, held, err
	}
	data = nest(mem, data, shape)
	defer data.Release()
	return array.MakeFromData(data), held, nil
}

func outputError(out model.Output, problem string) error {
	return &model.MismatchError{Problems: []string{"output " + out.Alias + ": " + problem}}
}

// elements copies a tensor's elements side by side.
func elements(mem memory.Allocator, t *tf.Tensor, d model.DType, n int, out model.Output) (arrow.ArrayData, int64, error) {
	switch d {
	case model.String:
		return texts(mem, t, n, out)
	case model.Uint32, model.Uint64: // graft's WriteContentsTo has neither
		data, err := unsigned(mem, t, n)
		return data, int64(n) * 8, err
	}
	width := elementWidth(d)
	raw := memory.NewResizableBuffer(mem)
	defer raw.Release()
	raw.Resize(n * width)
	if _, err := t.WriteContentsTo(&filler{dst: raw.Bytes()}); err != nil {
		return nil, 0, fmt.Errorf("engine: output %s: %w", out.Alias, err)
	}
	held := int64(n * width)
	switch d {
	case model.Bool:
		return bitmap(mem, raw.Bytes()), held, nil
	case model.Float16, model.BFloat16:
		return widened(mem, raw.Bytes(), d), held, nil
	}
	return array.NewData(d.ElementType(), n, []*memory.Buffer{nil, raw}, nil, 0, 0), held, nil
}

// elementWidth is the size of one element of a type that WriteContentsTo knows.
func elementWidth(d model.DType) int {
	switch d {
	case model.Float16, model.BFloat16:
		return 2
	case model.Bool:
		return 1
	}
	return d.ElementType().(arrow.FixedWidthDataType).BitWidth() / 8
}

// filler is a writer into memory that is there already.
type filler struct {
	dst []byte
}

func (f *filler) Write(p []byte) (int, error) {
	if len(p) > len(f.dst) {
		return 0, fmt.Errorf("the tensor holds %d bytes more than its shape says", len(p)-len(f.dst))
	}
	f.dst = f.dst[copy(f.dst, p):]
	return len(p), nil
}

func bitmap(mem memory.Allocator, raw []byte) arrow.ArrayData {
	b := array.NewBooleanBuilder(mem)
	defer b.Release()
	b.Reserve(len(raw))
	for _, v := range raw {
		b.UnsafeAppend(v != 0)
	}
	return taken(b)
}

func widened(mem memory.Allocator, raw []byte, d model.DType) arrow.ArrayData {
	b := array.NewFloat32Builder(mem)
	defer b.Release()
	b.Reserve(len(raw) / 2)
	if d == model.Float16 {
		for _, v := range arrow.Float16Traits.CastFromBytes(raw) {
			b.UnsafeAppend(v.Float32())
		}
	} else {
		for _, v := range arrow.Uint16Traits.CastFromBytes(raw) {
			b.UnsafeAppend(math.Float32frombits(uint32(v) << 16)) // a bfloat16 is a float32's upper half
		}
	}
	return taken(b)
}

func unsigned(mem memory.Allocator, t *tf.Tensor, n int) (arrow.ArrayData, error) {
	if err := t.Reshape([]int64{int64(n)}); err != nil {
		return nil, fmt.Errorf("engine: flatten an output: %w", err)
	}
	if v, ok := t.Value().([]uint32); ok {
		b := array.NewUint32Builder(mem)
		defer b.Release()
		b.AppendValues(v, nil)
		return taken(b), nil
	}
	b := array.NewUint64Builder(mem)
	defer b.Release()
	b.AppendValues(t.Value().([]uint64), nil)
	return taken(b), nil
}

func texts(mem memory.Allocator, t *tf.Tensor, n int, out model.Output) (arrow.ArrayData, int64, error) {
	perRow := max(1, int64(n)/max(1, t.Shape()[0]))
	b := array.NewStringBuilder(mem)
	defer b.Release()
	held := int64(0)
	var unfit model.RowErrors
	for i, s := range flatTexts(nil, reflect.ValueOf(t.Value())) {
		if row := int64(i) / perRow; !utf8.ValidString(s) && (len(unfit) == 0 || unfit[len(unfit)-1].Row != row) {
			unfit = append(unfit, &model.RowError{Row: row, Column: out.Column,
				Reason: fmt.Sprintf("output %s is not UTF-8 text: encode it in the model (tf.io.encode_base64)", out.Alias)})
		}
		held += stringBytes(s)
		b.Append(s)
	}
	if len(unfit) > 0 {
		return nil, held, unfit
	}
	return taken(b), held, nil
}

// taken is a builder's array as data, which is the caller's.
func taken(b array.Builder) arrow.ArrayData {
	a := b.NewArray()
	defer a.Release()
	a.Data().Retain()
	return a.Data()
}

// nest wraps elements in lists until they have the tensor's shape. It takes
// over data and returns data that is the caller's.
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
