package engine

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// roundedBytes rounds numbers to the nearest value of a floating type that does not
// hold all values of their own type. model.Fits accepts such columns only if the job
// allows narrowing. bad is the offset from start of the first finite value beyond the
// type's range, or -1.
func (r *rows) roundedBytes(d model.DType) (raw []byte, bad int) {
	switch v := r.values.(type) {
	case *array.Float16:
		wide := make([]float32, r.end-r.start)
		for i, half := range v.Values()[r.start:r.end] {
			wide[i] = model.HalfFloat(half.Uint16())
		}
		return rounded(wide, d)
	case *array.Float32:
		return rounded(v.Float32Values()[r.start:r.end], d)
	case *array.Float64:
		return rounded(v.Float64Values()[r.start:r.end], d)
	case *array.Int8:
		return rounded(v.Int8Values()[r.start:r.end], d)
	case *array.Int16:
		return rounded(v.Int16Values()[r.start:r.end], d)
	case *array.Int32:
		return rounded(v.Int32Values()[r.start:r.end], d)
	case *array.Int64:
		return rounded(v.Int64Values()[r.start:r.end], d)
	case *array.Uint8:
		return rounded(v.Uint8Values()[r.start:r.end], d)
	case *array.Uint16:
		return rounded(v.Uint16Values()[r.start:r.end], d)
	case *array.Uint32:
		return rounded(v.Uint32Values()[r.start:r.end], d)
	case *array.Uint64:
		return rounded(v.Uint64Values()[r.start:r.end], d)
	}
	panic("engine: a column of " + r.values.DataType().String() + " was bound to a tensor of " + d.String())
}

func rounded[S integer | float32 | float64](src []S, d model.DType) ([]byte, int) {
	if d == model.Float32 {
		dst := make([]float32, len(src))
		for i, v := range src {
			dst[i] = float32(v)
			if math.IsInf(float64(dst[i]), 0) && !math.IsInf(float64(v), 0) {
				return nil, i
			}
		}
		return arrow.Float32Traits.CastToBytes(dst), -1
	}
	raw := make([]byte, 0, 8*len(src))
	for i, v := range src {
		var ok bool
		if raw, ok = d.AppendFloat(raw, float64(v)); !ok {
			return nil, i
		}
	}
	return raw, -1
}
