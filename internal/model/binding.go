package model

import (
	"encoding/json"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Binding is the result of Check: which column feeds which tensor, which output
// becomes which column, and which columns are kept.
type Binding struct {
	Signature string
	Inputs    []Input    // fed by columns, in alias order
	Constants []Constant // in alias order
	Outputs   []Output   // in alias order
	Keep      []string   // in the job's order
	// Batch is the exact number of rows that the model takes at a time. 0: any
	// number.
	Batch int64
	// Pad allows filling up a short batch with copies of its last row. The outputs
	// of the copies are dropped.
	Pad bool
}

// Mapping is the part of a job that says how a table goes through a model.
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
	// Training: the mapping is a training's. No flag of its command allows narrowing.
	Training bool
	// PadLastBatch becomes Binding.Pad.
	PadLastBatch bool
	// ToleratesBadRows says that bad rows are left out of their batch. A batch of a fixed
	// size is then too short.
	ToleratesBadRows bool
}

// Input is a tensor and the column that feeds it.
type Input struct {
	Tensor
	Column string
}

// Output is a tensor and the column that it becomes. ColumnType is nil if the
// tensor's rank is known only after it has been computed.
type Output struct {
	Tensor
	Column     string
	ColumnType arrow.DataType
}

// Columns returns the columns to read: those of the inputs, then the kept ones. A
// kept column that also feeds an input is listed once.
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

// ColumnType returns the type of the column that a tensor of rank dimensions
// becomes: one value a row at rank 1, lists at rank 2, nested lists above. Strings
// become text, or bytes with binary. It returns nil if there is no such type.
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
