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

// This file runs batches whose rows do not fit into one tensor together. Predict first
// converts a batch as a whole, which costs nothing extra if all rows have one shape.
// If that fails, each row is checked alone. If rows fit no tensor, the error names all
// of them. Otherwise the rows differ in the length of their lists, where a tensor
// leaves a dimension open. They then run in groups of one shape.

// group is rows that have the same shape in every input.
type group struct {
	rows []int64 // indices in the batch, ascending
}

// predictGroups runs a batch in groups of one shape. It returns why, the error of the
// whole batch, if there is only one group.
func (m *Model) predictGroups(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record, why error) ([]arrow.Array, error) {
	groups, err := groupRows(bind, batch)
	if err != nil {
		return nil, err
	}
	if len(groups) < 2 {
		return nil, why
	}
	s := groupOutputs{mem: mem, order: make([]int64, batch.NumRows())}
	defer s.release()
	for _, g := range groups {
		if err := m.predictGroup(ctx, bind, batch, g, &s); err != nil {
			return nil, err
		}
	}
	return s.concatenate()
}

func (m *Model) predictGroup(ctx context.Context, bind *model.Binding, batch arrow.Record, g *group, to *groupOutputs) error {
	part, err := pickRows(to.mem, bind, batch, g.rows)
	if err != nil {
		return err
	}
	defer part.Release()
	outputs, err := m.predictUniform(ctx, to.mem, bind, part)
	var unfit model.RowErrors
	if errors.As(err, &unfit) { // rows whose outputs fit no column
		for _, e := range unfit {
			e.Row = g.rows[e.Row]
		}
	}
	if err != nil {
		return err
	}
	to.addGroup(g.rows, outputs)
	return nil
}

// groupRows divides a batch's rows by shape. Groups are in the order of their first rows.
// If rows fit no tensor, the error is a model.RowErrors with all of them.
func groupRows(bind *model.Binding, batch arrow.Record) ([]*group, error) {
	var all []*group
	var unfit model.RowErrors
	known := map[string]*group{}
	for i := range batch.NumRows() {
		key, bad, err := rowShape(bind, batch, i)
		if err != nil {
			return nil, err
		}
		if bad != nil {
			unfit = append(unfit, bad)
			continue
		}
		g := known[key]
		if g == nil {
			g = &group{}
			known[key] = g
			all = append(all, g)
		}
		g.rows = append(g.rows, i)
	}
	if len(unfit) > 0 {
		return nil, unfit
	}
	return all, nil
}

// rowShape returns the row's shape in all inputs as a key, or why the row does not fit
// one of the inputs.
func rowShape(bind *model.Binding, batch arrow.Record, row int64) (string, *model.RowError, error) {
	var key []byte
	for _, in := range bind.Inputs {
		column, err := inputColumn(batch, in)
		if err != nil {
			return "", nil, err
		}
		shape, err := checkRow(column, row, in)
		var bad *model.RowError
		if errors.As(err, &bad) {
			bad.Row = row
			return "", bad, nil
		}
		if err != nil {
			return "", nil, err
		}
		key = fmt.Append(key, shape)
	}
	return string(key), nil, nil
}

// checkRow makes the checks of toTensor for one row, and returns the row's shape.
func checkRow(column arrow.Array, row int64, in model.Input) ([]int64, error) {
	one := array.NewSlice(column, row, row+1)
	defer one.Release()
	if in.Ragged() { // rows of different lengths fit together, if their values have one shape
		tensors, err := raggedTensors(one, in)
		if err != nil {
			return nil, err
		}
		defer freeAll(tensors)
		return tensors[0].shape()[1:], nil
	}
	r, err := unnest(one, in)
	if err != nil {
		return nil, err
	}
	shape, err := r.tensorShape(in)
	if err == nil && in.Type != model.String && in.Type != model.Bool {
		_, _, err = r.numberBytes(in)
	}
	return shape, err
}

func inputColumn(batch arrow.Record, in model.Input) (arrow.Array, error) {
	columns := batch.Schema().FieldIndices(in.Column)
	if len(columns) == 0 {
		return nil, fmt.Errorf("engine: the batch has no column %s for %s", in.Column, in.Alias)
	}
	return batch.Column(columns[0]), nil
}

// pickRows copies some rows of a batch, only the columns that feed tensors. The caller
// releases the record.
func pickRows(mem memory.Allocator, bind *model.Binding, batch arrow.Record, rows []int64) (arrow.Record, error) {
	var fields []arrow.Field
	var columns []arrow.Array
	defer func() { release(columns) }()
	for _, in := range bind.Inputs {
		column, err := inputColumn(batch, in)
		if err == nil {
			column, err = infer.Pick(mem, column, rows)
		}
		if err != nil {
			return nil, err
		}
		columns = append(columns, column)
		fields = append(fields, arrow.Field{Name: in.Column, Type: column.DataType(), Nullable: true})
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, int64(len(rows))), nil
}

func release(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// groupOutputs collects the outputs of groups, and puts them into the batch's order.
type groupOutputs struct {
	mem   memory.Allocator
	parts [][]arrow.Array // by output, then by group
	order []int64         // for each row of the batch: its index in the concatenated parts
	rows  int64           // number of rows in the parts
}

// addGroup adds a group's outputs, and takes ownership of them.
func (s *groupOutputs) addGroup(rows []int64, outputs []arrow.Array) {
	if s.parts == nil {
		s.parts = make([][]arrow.Array, len(outputs))
	}
	for i, a := range outputs {
		s.parts[i] = append(s.parts[i], a)
	}
	for i, row := range rows {
		s.order[row] = s.rows + int64(i)
	}
	s.rows += int64(len(rows))
}

// concatenate returns a column for each output, in the batch's order. The caller
// releases them.
func (s *groupOutputs) concatenate() (columns []arrow.Array, err error) {
	defer func() {
		if err != nil {
			release(columns)
			columns = nil
		}
	}()
	for _, parts := range s.parts {
		all, err := array.Concatenate(parts, s.mem)
		if err != nil {
			return columns, fmt.Errorf("engine: put the outputs of rows of several shapes together: %w", err)
		}
		column, err := infer.Pick(s.mem, all, s.order)
		all.Release()
		if err != nil {
			return columns, err
		}
		columns = append(columns, column)
	}
	return columns, nil
}

func (s *groupOutputs) release() {
	for _, parts := range s.parts {
		release(parts)
	}
}
