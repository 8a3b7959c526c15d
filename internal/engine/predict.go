package engine

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"tfos/internal/model"
)

// Predict runs one batch: the columns that bind names are fed, and one array
// for each of bind.Outputs comes back, in that order, of batch.NumRows() rows.
// The batch stays the caller's; the arrays, allocated from mem, become the
// caller's to release. A value that does not fit is a *model.RowError, an
// output without one value a row a *model.MismatchError. A run in progress
// cannot be interrupted: ctx is looked at before it.
func (m *Model) Predict(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	feeds, err := m.feeds(bind, batch)
	defer func() { freeFeeds(feeds) }()
	if err != nil {
		return nil, err
	}
	fetches := make([]endpoint, len(bind.Outputs))
	for i, out := range bind.Outputs {
		if fetches[i], err = m.tensor(out.Tensor); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tensors, err := m.session.run(feeds, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("engine: run %s: %w", what(bind), err)
	}
	defer freeAll(tensors)
	freeFeeds(feeds) // before there are columns, for which there is more room then
	feeds = nil
	return toColumns(mem, bind, tensors, batch.NumRows())
}

func what(bind *model.Binding) string {
	if bind.Signature == "" {
		return "the graph"
	}
	return "signature " + bind.Signature
}

// feeds makes a tensor of each input's column. On error it returns those that it
// made.
func (m *Model) feeds(bind *model.Binding, batch arrow.Record) (feeds []feed, err error) {
	for _, in := range bind.Inputs {
		at, err := m.tensor(in.Tensor)
		if err != nil {
			return feeds, err
		}
		columns := batch.Schema().FieldIndices(in.Column)
		if len(columns) == 0 {
			return feeds, fmt.Errorf("engine: the batch has no column %s for %s", in.Column, in.Alias)
		}
		t, err := toTensor(batch.Column(columns[0]), in)
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
			for _, a := range arrays {
				a.Release()
			}
			return nil, err
		}
		arrays = append(arrays, a)
	}
	return arrays, nil
}
