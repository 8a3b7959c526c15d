package infer

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// rowPlace returns the place of a batch's rows, without a row number.
func (p *pipeline) rowPlace(b batch) BadRow {
	spot := p.from
	spot.InSplit = b.inSplit
	return spot
}

// locate adds to err the place that rows are counted from. It turns a row number of
// the batch into one of that place.
func (p *pipeline) locate(err error, b batch) error {
	var row *model.RowError
	if errors.As(err, &row) {
		err = &model.RowError{Row: b.first + row.Row, Column: row.Column, Reason: row.Reason}
	}
	var many *BadRowsError
	if errors.As(err, &many) { // it names a row of its own
		return many
	}
	spot := p.rowPlace(b)
	return atFile(exit.Failed, "predict", spot.place(), err)
}

func release(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// emptyOutputs returns outputs without rows. It returns nil if a type is not known
// before the model has run.
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
