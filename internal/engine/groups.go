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

// Rows that one tensor cannot hold together. A batch is first taken as rows of
// one shape that all fit, which costs nothing to find out. Where that fails, each
// row is looked at alone: rows that fit no tensor are told, all of them, and the
// others, when their lists differ in length where the tensors leave a dimension
// open, run in groups of one shape.

// group is rows of one shape in every input.
type group struct {
	rows []int64 // of the batch, in their order
}

// predictGroups runs a batch that is no single tensor in some input, for the
// reason why.
func (m *Model) predictGroups(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record, why error) ([]arrow.Array, error) {
	groups, err := m.groups(bind, batch)
	if err != nil {
		return nil, err
	}
	if len(groups) < 2 {
		return nil, why
	}
	s := stitched{mem: mem, order: make([]int64, batch.NumRows())}
	defer s.release()
	for _, g := range groups {
		if err := m.predictGroup(ctx, bind, batch, g, &s); err != nil {
			return nil, err
		}
	}
	return s.columns()
}

func (m *Model) predictGroup(ctx context.Context, bind *model.Binding, batch arrow.Record, g *group, to *stitched) error {
	part, err := inputs(to.mem, bind, batch, g.rows)
	if err != nil {
		return err
	}
	defer part.Release()
	outputs, err := m.predictShape(ctx, to.mem, bind, part)
	var unfit model.RowErrors
	if errors.As(err, &unfit) { // of outputs
		for _, e := range unfit {
			e.Row = g.rows[e.Row]
		}
	}
	if err != nil {
		return err
	}
	to.add(g.rows, outputs)
	return nil
}

// groups sorts a batch's rows by their shapes, in the order in which those come.
// Rows that fit no tensor are a model.RowErrors.
func (m *Model) groups(bind *model.Binding, batch arrow.Record) ([]*group, error) {
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

// rowShape is the shape of a row in all inputs, or why it fits one of them not.
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

// checkRow does with one row what toTensor does with all, short of the tensor.
func checkRow(column arrow.Array, row int64, in model.Input) ([]int64, error) {
	one := array.NewSlice(column, row, row+1)
	defer one.Release()
	if in.Ragged() { // rows of all lengths go together, of one shape below
		tensors, err := raggedTensors(one, in)
		if err != nil {
			return nil, err
		}
		defer freeAll(tensors)
		return tensors[0].shape()[1:], nil
	}
	r, err := takeApart(one, in)
	if err != nil {
		return nil, err
	}
	shape, err := r.tensorShape(in)
	if err == nil && in.Type != model.String && in.Type != model.Bool {
		_, err = r.numberBytes(in)
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

// inputs are these rows of a batch, the columns that feed tensors.
func inputs(mem memory.Allocator, bind *model.Binding, batch arrow.Record, rows []int64) (arrow.Record, error) {
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

// stitched puts the outputs of groups together in the batch's order.
type stitched struct {
	mem   memory.Allocator
	parts [][]arrow.Array // by output, then by group
	order []int64         // of each row of the batch: its place in the parts, one after another
	rows  int64           // in the parts
}

// add takes over a group's outputs.
func (s *stitched) add(rows []int64, outputs []arrow.Array) {
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

// columns are the caller's.
func (s *stitched) columns() (columns []arrow.Array, err error) {
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

func (s *stitched) release() {
	for _, parts := range s.parts {
		release(parts)
	}
}
