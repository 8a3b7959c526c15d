package model

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// columnShape is the element type of a column and the lengths of its nested lists,
// outermost first. A length is -1 if each row has its own.
type columnShape struct {
	element arrow.DataType
	lengths []int64
}

func columnShapeOf(t arrow.DataType) columnShape {
	if IsVector(t) {
		return columnShape{element: arrow.PrimitiveTypes.Float64, lengths: []int64{-1}}
	}
	var lengths []int64
	for {
		l, ok := t.(arrow.ListLikeType)
		if !ok || t.ID() == arrow.MAP {
			return columnShape{element: t, lengths: lengths}
		}
		n := int64(-1)
		if f, ok := t.(*arrow.FixedSizeListType); ok {
			n = int64(f.Len())
		}
		lengths = append(lengths, n)
		t = l.Elem()
	}
}

// fitShape returns the reason why rows of this column cannot have the tensor's row
// shape. It is "" if the types allow it.
//
// If the row shape is wholly known, only the number of elements counts: a flat list
// of 784 feeds [-1,28,28,1]. Otherwise the lists must nest as the row shape does.
func (c columnShape) fitShape(t Tensor) string {
	if t.Ragged() && len(c.lengths) < len(t.Parts.Tensors)-1 {
		return fmt.Sprintf("a row must be a list nested %d deep", max(len(t.Shape), len(t.Parts.Tensors))-1)
	}
	if t.UnknownRank {
		return ""
	}
	if t.scalar() {
		return t.unfed()
	}
	if size, known := t.RowSize(); known {
		return c.fitSize(size)
	}
	row := t.Shape[1:]
	if len(c.lengths) != len(row) {
		return fmt.Sprintf("a row must be a list nested %d deep", len(row))
	}
	for i, n := range c.lengths {
		if n >= 0 && row[i] >= 0 && n != row[i] {
			return fmt.Sprintf("lists of %d where the tensor has %d", n, row[i])
		}
	}
	return ""
}

func (c columnShape) fitSize(size int64) string {
	n := int64(1)
	for _, l := range c.lengths {
		if l < 0 {
			return "" // each row has its own length
		}
		n *= l
	}
	if n == size {
		return ""
	}
	if len(c.lengths) == 0 {
		return fmt.Sprintf("a row must be a list of %d values", size)
	}
	return fmt.Sprintf("a row has %d values where the tensor needs %d", n, size)
}
