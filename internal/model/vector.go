package model

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Field numbers of Spark ML's VectorUDT, which Spark stores as a struct in files and
// in Arrow. A dense vector has only values. A sparse one has size, indices and
// values.
const (
	VectorType = iota
	VectorSize
	VectorIndices
	VectorValues
)

// Values of the field VectorType.
const (
	VectorSparse = 0
	VectorDense  = 1
)

// IsVector reports whether a column holds Spark ML's vectors. Such a column feeds a
// tensor as a list of doubles does.
func IsVector(t arrow.DataType) bool {
	s, ok := t.(*arrow.StructType)
	if !ok {
		return false
	}
	var names []string
	for _, f := range s.Fields() {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, []string{"type", "size", "indices", "values"}) {
		return false
	}
	of := func(i int, id arrow.Type) bool {
		list, ok := s.Field(i).Type.(*arrow.ListType)
		return ok && list.Elem().ID() == id
	}
	return s.Field(VectorType).Type.ID() == arrow.INT8 && s.Field(VectorSize).Type.ID() == arrow.INT32 &&
		of(VectorIndices, arrow.INT32) && of(VectorValues, arrow.FLOAT64)
}
