package engine

import (
	"context"
	"errors"
	"runtime"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	tf "github.com/wamuir/graft/tensorflow"

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

// predictShape is Predict for rows of one shape. The first row that cannot be
// fed with the others is a *model.RowError; rows whose outputs are none are a
// model.RowErrors.
func (m *Model) predictShape(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	feeds, err := m.feeds(bind, batch)
	if err != nil {
		return nil, err
	}
	fetches := make([]tf.Output, len(bind.Outputs))
	for i, out := range bind.Outputs {
		if fetches[i], err = m.tensor(out.Tensor); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tensors, err := m.session.Run(feeds, fetches, nil)
	if err != nil {
		return nil, runError("run "+what(bind), err)
	}
	arrays, bytes, err := toColumns(mem, bind, tensors, batch.NumRows())
	runtime.KeepAlive(tensors)
	m.ledger.add(bytes)
	return arrays, err
}

func what(bind *model.Binding) string {
	if bind.Signature == "" {
		return "the graph"
	}
	return "signature " + bind.Signature
}

// feeds makes a tensor of each input's column.
func (m *Model) feeds(bind *model.Binding, batch arrow.Record) (map[tf.Output]*tf.Tensor, error) {
	feeds := make(map[tf.Output]*tf.Tensor, len(bind.Inputs))
	for _, in := range bind.Inputs {
		at, err := m.tensor(in.Tensor)
		if err != nil {
			return nil, err
		}
		column, err := inputColumn(batch, in)
		if err != nil {
			return nil, err
		}
		t, bytes, err := toTensor(column, in)
		if err != nil {
			return nil, err
		}
		m.ledger.add(bytes)
		feeds[at] = t
	}
	return feeds, nil
}

// toColumns makes the outputs' arrays, and says how many bytes their tensors
// hold. On error it has released what it made.
func toColumns(mem memory.Allocator, bind *model.Binding, tensors []*tf.Tensor, rows int64) ([]arrow.Array, int64, error) {
	arrays := make([]arrow.Array, 0, len(tensors))
	var bytes int64
	for i, t := range tensors {
		a, n, err := toArray(mem, t, bind.Outputs[i], rows)
		bytes += n
		if err != nil {
			release(arrays)
			return nil, bytes, err
		}
		arrays = append(arrays, a)
	}
	return arrays, bytes, nil
}
