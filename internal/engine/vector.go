package engine

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
)

// plainColumn returns a column of lists or values. Spark ML's vectors become lists of
// doubles, in memory of Go's heap. Sparse vectors become dense. Other columns stay as
// they are.
func plainColumn(column arrow.Array, in model.Input) (arrow.Array, error) {
	if !model.IsVector(column.DataType()) {
		return column, nil
	}
	vectors := column.(*array.Struct)
	b := array.NewListBuilder(memory.NewGoAllocator(), arrow.PrimitiveTypes.Float64)
	v := vectorColumns{
		kind:    vectors.Field(model.VectorType).(*array.Int8),
		size:    vectors.Field(model.VectorSize).(*array.Int32),
		indices: vectors.Field(model.VectorIndices).(*array.List),
		values:  vectors.Field(model.VectorValues).(*array.List),
	}
	for i := range vectors.Len() {
		if vectors.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(true)
		if reason := v.appendRow(b.ValueBuilder().(*array.Float64Builder), i); reason != "" {
			return nil, rowError(in, int64(i), reason)
		}
	}
	return b.NewArray(), nil
}

// vectorColumns are the fields of a column of vectors.
type vectorColumns struct {
	kind            *array.Int8
	size            *array.Int32
	indices, values *array.List
}

// maxVector is the largest size of a sparse vector that is made dense.
const maxVector = 1 << 26

// appendRow appends one vector's values. It returns the reason if it cannot, else "".
func (v vectorColumns) appendRow(to *array.Float64Builder, row int) string {
	from, end := v.values.ValueOffsets(row)
	values := v.values.ListValues().(*array.Float64).Float64Values()[from:end]
	switch v.kind.Value(row) {
	case model.VectorDense:
		to.AppendValues(values, nil)
		return ""
	case model.VectorSparse:
	default:
		return "it is a vector that is neither dense nor sparse"
	}
	size := int(v.size.Value(row))
	first, last := v.indices.ValueOffsets(row)
	indices := v.indices.ListValues().(*array.Int32).Int32Values()[first:last]
	if len(indices) != len(values) || size < 0 || size > maxVector {
		return "it is a damaged sparse vector: its size, indices and values do not fit together"
	}
	dense := make([]float64, size)
	for k, at := range indices {
		if at < 0 || int(at) >= size {
			return "it is a damaged sparse vector: an index is beyond its size"
		}
		dense[at] = values[k]
	}
	to.AppendValues(dense, nil)
	return ""
}
