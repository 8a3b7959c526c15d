package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/infer"
	"tfos/internal/model"
)

// predictFixed is predictUniform for a model that takes bind.Batch rows at a time. It
// runs the batch in pieces of that size. A short last piece is filled up if bind.Pad
// allows it, and its outputs are cut. Otherwise, and for a batch without rows, the
// error is a *model.MismatchError.
func (m *Model) predictFixed(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	rows := batch.NumRows()
	switch {
	case rows == 0:
		return nil, &model.MismatchError{Signature: bind.Signature, Problems: []string{fmt.Sprintf(
			"the model takes %d rows at a time and there are none, so that an output of unknown rank has no type: leave it out by output_mapping", bind.Batch)}}
	case rows%bind.Batch != 0 && !bind.Pad:
		return nil, &model.MismatchError{Signature: bind.Signature, Problems: []string{fmt.Sprintf(
			"%d rows of one shape are no whole batches of %d: say pad_last_batch: true (--pad-last-batch) if the model's rows do not depend on one another", rows, bind.Batch)}}
	}
	parts := make([][]arrow.Array, len(bind.Outputs))
	defer func() {
		for _, p := range parts {
			release(p)
		}
	}()
	for from := int64(0); from < rows; from += bind.Batch {
		n := min(bind.Batch, rows-from)
		outputs, err := m.predictPiece(ctx, mem, bind, batch, from, n)
		if err != nil {
			return nil, offsetRows(err, from, n)
		}
		for i, a := range outputs {
			parts[i] = append(parts[i], a)
		}
	}
	var columns []arrow.Array
	for _, p := range parts {
		column, err := array.Concatenate(p, mem)
		if err != nil {
			release(columns)
			return nil, fmt.Errorf("engine: put the outputs of batches of %d together: %w", bind.Batch, err)
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// predictPiece runs n rows of a batch, starting at row from. n is at most bind.Batch.
// Copies of the last row fill up a short piece.
func (m *Model) predictPiece(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record, from, n int64) ([]arrow.Array, error) {
	piece := batch.NewSlice(from, from+n)
	defer func() { piece.Release() }()
	if n < bind.Batch {
		filled := make([]int64, bind.Batch)
		for i := range filled {
			filled[i] = min(int64(i), n-1)
		}
		full, err := pickRows(mem, bind, piece, filled)
		if err != nil {
			return nil, err
		}
		piece.Release()
		piece = full
	}
	outputs, err := m.predictOnce(ctx, mem, bind, piece)
	if err != nil || n == bind.Batch {
		return outputs, err
	}
	for i, whole := range outputs {
		if outputs[i], err = infer.Pick(mem, whole, firstRows(n)); err != nil {
			outputs[i] = whole
			release(outputs)
			return nil, err
		}
		whole.Release()
	}
	return outputs, nil
}

func firstRows(n int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

// offsetRows adds from to the row numbers in the error of a piece of n rows. Row n and
// later ones are copies of the last row: RowErrors of them are dropped, and a RowError
// of them becomes one of the last row.
func offsetRows(err error, from, n int64) error {
	var many model.RowErrors
	if errors.As(err, &many) {
		var own model.RowErrors
		for _, e := range many {
			if e.Row < n {
				e.Row += from
				own = append(own, e)
			}
		}
		return own
	}
	var one *model.RowError
	if errors.As(err, &one) {
		one.Row = from + min(one.Row, n-1)
	}
	return err
}
