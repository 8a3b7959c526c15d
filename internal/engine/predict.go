package engine

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"tfos/internal/model"
)

// Predict runs one batch: the columns that bind names are fed, and one array
// for each of bind.Outputs comes back, in that order, of batch.NumRows() rows.
// The batch stays the caller's; the arrays, allocated from mem, become the
// caller's to release. Rows that do not fit are a model.RowErrors, all that the
// inputs tell; a graph that fails for what may be a value a *model.GraphError; an
// output without one value a row a *model.MismatchError. A run in progress
// cannot be interrupted: ctx is looked at before it.
func (m *Model) Predict(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	arrays, err := m.predictShape(ctx, mem, bind, batch)
	var row *model.RowError
	if errors.As(err, &row) && !errors.As(err, new(model.RowErrors)) {
		return m.predictGroups(ctx, mem, bind, batch, model.RowErrors{row})
	}
	return arrays, err
}

// predictShape is Predict for rows of one shape, in batches of the size that the
// model takes. The first row that cannot be
// fed with the others is a *model.RowError; rows whose outputs are none are a
// model.RowErrors.
func (m *Model) predictShape(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	if bind.Batch > 0 {
		return m.predictFixed(ctx, mem, bind, batch)
	}
	return m.predictOnce(ctx, mem, bind, batch)
}

// predictOnce is one run of the model.
func (m *Model) predictOnce(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	fetches := make([]endpoint, len(bind.Outputs))
	var err error
	for i, out := range bind.Outputs {
		if fetches[i], err = m.tensor(out.Tensor); err != nil {
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
		return nil, runError("run "+what(bind), err)
	}
	defer found.free()
	return toColumns(mem, bind, found.at(fetches), batch.NumRows())
}

func what(bind *model.Binding) string {
	if bind.Signature == "" {
		return "the graph"
	}
	return "signature " + bind.Signature
}

// feeds makes the tensors of the inputs' columns and of the constants. On error it
// returns those that it made.
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
			if feeds[len(feeds)-1].at, err = m.tensor(part); err != nil {
				freeAll(tensors[i+1:])
				return feeds, err
			}
		}
	}
	for _, c := range bind.Constants {
		at, err := m.tensor(c.Tensor)
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

// toColumns makes the outputs' arrays. On error it has released what it made.
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
