package model

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Binding is what Check settled: which column feeds which tensor, which output
// becomes which column, and which columns are kept.
type Binding struct {
	Signature string
	Inputs    []Input  // every input of the signature, in alias order
	Outputs   []Output // in alias order
	Keep      []string // in the asked order
}

// Input is a tensor and the column that feeds it.
type Input struct {
	Tensor
	Column string
}

// Output is a tensor and the column that it becomes. ColumnType is nil when the
// tensor's rank is not known before it has been computed.
type Output struct {
	Tensor
	Column     string
	ColumnType arrow.DataType
}

// Columns are the columns to read: the inputs', then the kept ones, each once.
func (b *Binding) Columns() []string {
	var names []string
	for _, in := range b.Inputs {
		names = append(names, in.Column)
	}
	for _, k := range b.Keep {
		if !slices.Contains(names, k) {
			names = append(names, k)
		}
	}
	return names
}

// ColumnType is the type of the column that a tensor of rank dimensions
// becomes: a value a row at rank 1, lists at rank 2, nested lists above. It is
// nil when there is no such type.
func ColumnType(d DType, rank int) arrow.DataType {
	t := d.ElementType()
	if t == nil || rank < 1 {
		return nil
	}
	for range rank - 1 {
		t = arrow.ListOf(t)
	}
	return t
}
