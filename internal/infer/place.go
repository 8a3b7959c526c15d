package infer

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
)

// locate names the file, and turns a batch's row number into the split's.
func (p *pipeline) locate(err error, first int64) error {
	var row *model.RowError
	if errors.As(err, &row) {
		err = &model.RowError{Row: first + row.Row, Column: row.Column, Reason: row.Reason}
	}
	return atFile(exitFailed, "predict", p.split.place(), err)
}

func release(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// emptyOutputs are the outputs of no rows; nil when a type is not known before
// the model has run.
func emptyOutputs(mem memory.Allocator, bind *model.Binding) []arrow.Array {
	var arrays []arrow.Array
	for _, out := range bind.Outputs {
		if out.ColumnType == nil {
			release(arrays)
			return nil
		}
		arrays = append(arrays, array.MakeArrayOfNull(mem, out.ColumnType, 0))
	}
	return arrays
}
