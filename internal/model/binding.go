package model

import (
	"encoding/json"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Binding is what Check settled: which column feeds which tensor, which output
// becomes which column, and which columns are kept.
type Binding struct {
	Signature string
	Inputs    []Input    // that columns feed, in alias order
	Constants []Constant // in alias order
	Outputs   []Output   // in alias order
	Keep      []string   // in the asked order
	// Batch is how many rows the model takes at a time, no more and no fewer; 0:
	// any number. Pad says that a batch of fewer may be filled up with copies of
	// its last row, whose outputs are thrown away.
	Batch int64
	Pad   bool
}

// Mapping is what a job says of how a table goes through a model.
type Mapping struct {
	Inputs  map[string]string // column -> alias or tensor; may be partial
	Outputs map[string]string // alias or tensor -> column; chooses the outputs, unless it is empty
	Keep    []string
	// Constants are inputs that have one value for all batches, as JSON.
	Constants map[string]json.RawMessage
	// BinaryOutputs are string tensors that become binary columns.
	BinaryOutputs []string
	// AllowNarrowing lets columns feed tensors of a type that holds fewer values.
	AllowNarrowing bool
	// PadLastBatch is Binding.Pad; SparesRows says that bad rows are left out, which
	// a batch of a fixed size then lacks.
	PadLastBatch, SparesRows bool
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
// becomes: a value a row at rank 1, lists at rank 2, nested lists above. Strings
// are text, or bytes where they are said to be. It is nil when there is no such
// type.
func ColumnType(d DType, binary bool, rank int) arrow.DataType {
	t := d.ElementType()
	if t == nil || rank < 1 {
		return nil
	}
	if d == String && binary {
		t = arrow.BinaryTypes.Binary
	}
	for range rank - 1 {
		t = arrow.ListOf(t)
	}
	return t
}
