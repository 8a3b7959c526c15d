package infer

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// blame finds the row at which a graph fails (model.GraphError), such as an image
// that it cannot decode: TensorFlow names none. The batch is halved until one row is
// left. When no part of it can be computed, or the batch has one row only, the
// fault is the model's as well as the row's, and the error stays as it is.
func (p *serving) blame(ctx context.Context, batch arrow.Record, err error) error {
	var graph *model.GraphError
	if !errors.As(err, &graph) || ctx.Err() != nil {
		return err
	}
	first, some := int64(0), false
	for rows := batch.NumRows(); rows > 1; {
		half := rows / 2
		part := batch.NewSlice(first, first+half)
		outputs, cause := p.model.Predict(ctx, p.mem, p.bind, part)
		part.Release()
		release(outputs)
		if cause == nil {
			first, rows, some = first+half, rows-half, true
			continue
		}
		if rows, err = half, cause; !errors.As(cause, &graph) {
			return err
		}
	}
	if !some && !p.computes(ctx, batch, first+1) {
		return err
	}
	return &model.RowError{Row: first, Column: model.NoColumn, Reason: "the graph failed: " + oneLine(graph.Err)}
}

// computes says whether the rows from one on can be computed.
func (p *serving) computes(ctx context.Context, batch arrow.Record, from int64) bool {
	for ; from < batch.NumRows(); from++ {
		part := batch.NewSlice(from, from+1)
		outputs, err := p.model.Predict(ctx, p.mem, p.bind, part)
		part.Release()
		release(outputs)
		if err == nil {
			return true
		}
	}
	return false
}
