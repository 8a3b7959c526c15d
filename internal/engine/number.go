package engine

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// numberBytes returns the values as raw elements of the tensor's type. own: the types are
// the same, and the result is the column's own memory. A value that the type cannot
// hold is a *model.RowError.
func (r *rows) numberBytes(in model.Input) (raw []byte, own bool, err error) {
	// Numbers of the same type have the same layout in TensorFlow and Arrow.
	have := r.values.DataType()
	half := in.Type == model.Float16 || in.Type == model.BFloat16
	if have.ID() == arrow.FLOAT16 && in.Type == model.Float16 || !half && arrow.TypeEqual(have, in.Type.ElementType()) {
		return r.rawBytes(), true, nil
	}
	exact, _ := model.Fits(have, in.Type, model.Mapping{})
	switch {
	case exact && in.Type == model.Float32:
		return arrow.Float32Traits.CastToBytes(widen[float32](r)), false, nil
	case exact && in.Type == model.Float64:
		return arrow.Float64Traits.CastToBytes(widen[float64](r)), false, nil
	}
	convert := r.integerBytes
	if half || in.Type == model.Float32 || in.Type == model.Float64 {
		convert = r.roundedBytes
	}
	raw, bad := convert(in.Type)
	if bad >= 0 {
		return nil, false, rowError(in, r.rowOf(r.start+bad), fmt.Sprintf("%s does not fit the tensor %s (%s)",
			r.values.ValueStr(r.start+bad), in.Alias, in.Tensor))
	}
	return raw, false, nil
}

// rawBytes returns the memory of the values.
func (r *rows) rawBytes() []byte {
	data := r.values.Data()
	buffer := data.Buffers()[1]
	if r.start == r.end || buffer == nil {
		return nil
	}
	width := data.DataType().(arrow.FixedWidthDataType).BitWidth() / 8
	return buffer.Bytes()[(data.Offset()+r.start)*width : (data.Offset()+r.end)*width]
}

// widen converts numbers to a floating type that holds every value exactly.
// model.Fits accepts no other columns.
func widen[D float32 | float64](r *rows) []D {
	dst := make([]D, r.end-r.start)
	switch v := r.values.(type) {
	case *array.Float32:
		copyAs(dst, v.Float32Values()[r.start:r.end])
	case *array.Int8:
		copyAs(dst, v.Int8Values()[r.start:r.end])
	case *array.Int16:
		copyAs(dst, v.Int16Values()[r.start:r.end])
	case *array.Int32:
		copyAs(dst, v.Int32Values()[r.start:r.end])
	case *array.Uint8:
		copyAs(dst, v.Uint8Values()[r.start:r.end])
	case *array.Uint16:
		copyAs(dst, v.Uint16Values()[r.start:r.end])
	case *array.Uint32:
		copyAs(dst, v.Uint32Values()[r.start:r.end])
	}
	return dst
}

func copyAs[D float32 | float64, S integer | float32](dst []D, src []S) {
	for i, v := range src {
		dst[i] = D(v)
	}
}

// integerBytes converts integers to another integer type. bad is the offset from
// start of the first value that the type cannot hold, or -1.
func (r *rows) integerBytes(d model.DType) (raw []byte, bad int) {
	switch v := r.values.(type) {
	case *array.Int8:
		return narrow(v.Int8Values()[r.start:r.end], d)
	case *array.Int16:
		return narrow(v.Int16Values()[r.start:r.end], d)
	case *array.Int32:
		return narrow(v.Int32Values()[r.start:r.end], d)
	case *array.Int64:
		return narrow(v.Int64Values()[r.start:r.end], d)
	case *array.Uint8:
		return narrow(v.Uint8Values()[r.start:r.end], d)
	case *array.Uint16:
		return narrow(v.Uint16Values()[r.start:r.end], d)
	case *array.Uint32:
		return narrow(v.Uint32Values()[r.start:r.end], d)
	case *array.Uint64:
		return narrow(v.Uint64Values()[r.start:r.end], d)
	}
	panic("engine: a column of " + r.values.DataType().String() + " was bound to a tensor of " + d.String())
}

func narrow[S integer](src []S, d model.DType) ([]byte, int) {
	switch d {
	case model.Int8:
		dst, bad := convertAll[int8](src)
		return arrow.Int8Traits.CastToBytes(dst), bad
	case model.Int16:
		dst, bad := convertAll[int16](src)
		return arrow.Int16Traits.CastToBytes(dst), bad
	case model.Int32:
		dst, bad := convertAll[int32](src)
		return arrow.Int32Traits.CastToBytes(dst), bad
	case model.Int64:
		dst, bad := convertAll[int64](src)
		return arrow.Int64Traits.CastToBytes(dst), bad
	case model.Uint8:
		return convertAll[uint8](src)
	case model.Uint16:
		dst, bad := convertAll[uint16](src)
		return arrow.Uint16Traits.CastToBytes(dst), bad
	case model.Uint32:
		dst, bad := convertAll[uint32](src)
		return arrow.Uint32Traits.CastToBytes(dst), bad
	default:
		dst, bad := convertAll[uint64](src)
		return arrow.Uint64Traits.CastToBytes(dst), bad
	}
}

// convertAll converts integers to another integer type. It returns the index of the
// first value that the type cannot hold, or -1. Such a value differs when it is
// converted back, or changes its sign.
func convertAll[D, S integer](src []S) ([]D, int) {
	dst := make([]D, len(src))
	for i, v := range src {
		d := D(v)
		if S(d) != v || (d < 0) != (v < 0) {
			return nil, i
		}
		dst[i] = d
	}
	return dst, -1
}
