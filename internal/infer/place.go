package infer

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// spot is where a batch's rows are, of no row yet.
func (p *passage) spot(b batch) BadRow {
	spot := p.from
	spot.InSplit = b.inSplit
	return spot
}

// locate names what rows count from, and turns a batch's row number into one of
// that.
func (p *passage) locate(err error, b batch) error {
	var row *model.RowError
	if errors.As(err, &row) {
		err = &model.RowError{Row: b.first + row.Row, Column: row.Column, Reason: row.Reason}
	}
	var many *BadRowsError
	if errors.As(err, &many) { // it names a row of its own
		return many
	}
	spot := p.spot(b)
	return atFile(exit.Failed, "predict", spot.place(), err)
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
