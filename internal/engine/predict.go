package engine

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"tfos/internal/model"
)

// Predict runs one batch. It feeds the columns that bind names, and returns an array of
// batch.NumRows() rows for each of bind.Outputs, in that order. The batch stays the
// caller's. The arrays are allocated from mem, and the caller releases them.
//
// Errors:
//   - model.RowErrors: rows do not fit. It has every row that does not fit an input.
//   - *model.GraphError: the graph failed, perhaps because of a value.
//   - *model.MismatchError: an output has not one value a row, or the number of rows
//     does not fit a fixed batch size.
//
// A run in progress cannot be interrupted: ctx is checked only before it.
func (m *Model) Predict(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	arrays, err := m.predictUniform(ctx, mem, bind, batch)
	var row *model.RowError
	if errors.As(err, &row) && !errors.As(err, new(model.RowErrors)) {
		return m.predictGroups(ctx, mem, bind, batch, model.RowErrors{row})
	}
	return arrays, err
}

// predictUniform is Predict for rows of one shape. The first row that does not fit, or
// that has another shape, is a *model.RowError. Rows whose outputs fit no column are a
// model.RowErrors.
func (m *Model) predictUniform(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	if bind.Batch > 0 {
		return m.predictFixed(ctx, mem, bind, batch)
	}
	return m.predictOnce(ctx, mem, bind, batch)
}

// predictOnce runs the model once with the whole batch.
func (m *Model) predictOnce(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	fetches := make([]endpoint, len(bind.Outputs))
	var err error
	for i, out := range bind.Outputs {
		if fetches[i], err = m.findTensor(out.Tensor); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	feeds, err := m.feeds(bind, batch)
	if err != nil {
		freeFeeds(feeds)
		return nil, err
	}
	found, err := m.session.compute(feeds, fetches)
	if err != nil {
		return nil, runError("run "+runName(bind), err)
	}
	defer found.free()
	return toColumns(mem, bind, found.inOrder(fetches), batch.NumRows())
}

func runName(bind *model.Binding) string {
	if bind.Signature == "" {
		return "the graph"
	}
	return "signature " + bind.Signature
}

// feeds makes tensors of the inputs' columns and of the constants. On an error it
// returns the feeds made so far. In both cases the caller frees them.
func (m *Model) feeds(bind *model.Binding, batch arrow.Record) (feeds []feed, err error) {
	for _, in := range bind.Inputs {
		column, err := inputColumn(batch, in)
		if err != nil {
			return feeds, err
		}
		tensors, err := toTensors(column, in)
		if err != nil {
			return feeds, err
		}
		for i, t := range tensors {
			feeds = append(feeds, feed{tensor: t})
			part := in.Tensor
			if in.Parts != nil {
				part = in.Parts.Tensors[i]
			}
			if feeds[len(feeds)-1].at, err = m.findTensor(part); err != nil {
				freeAll(tensors[i+1:])
				return feeds, err
			}
		}
	}
	for _, c := range bind.Constants {
		at, err := m.findTensor(c.Tensor)
		if err != nil {
			return feeds, err
		}
		t, err := constantTensor(c)
		if err != nil {
			return feeds, err
		}
		feeds = append(feeds, feed{at, t})
	}
	return feeds, nil
}

func freeFeeds(feeds []feed) {
	for _, f := range feeds {
		f.tensor.free()
	}
}

// toColumns makes the outputs' arrays, which the caller releases. On an error it
// releases them itself.
func toColumns(mem memory.Allocator, bind *model.Binding, tensors []*tensor, rows int64) ([]arrow.Array, error) {
	arrays := make([]arrow.Array, 0, len(tensors))
	for i, t := range tensors {
		a, err := toArray(mem, t, bind.Outputs[i], rows)
		if err != nil {
			release(arrays)
			return nil, err
		}
		arrays = append(arrays, a)
	}
	return arrays, nil
}
