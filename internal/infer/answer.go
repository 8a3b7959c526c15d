package infer

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// answer is the predictions for a record, of one batch after another.
type answer struct {
	outputs [][]arrow.Array // of each output, the batches'
	rows    int64           // predicted
	numbers []int64         // of these in the record, where they are told
}

func (a *answer) add(outputs []arrow.Array, rows int64) {
	for i, o := range outputs {
		a.outputs[i] = append(a.outputs[i], o)
	}
	a.rows += rows
}

// number notes which rows of a batch from the record's row first on are
// predicted; nil: the first n.
func (a *answer) number(good []int64, first, n int64) {
	for i := range n {
		row := i
		if good != nil {
			row = good[i]
		}
		a.numbers = append(a.numbers, first+row)
	}
}

func (a *answer) release() {
	for _, parts := range a.outputs {
		release(parts)
	}
}

// join is the record that answers one: the numbers of the rows, where they are
// told, and the outputs.
func (p *serving) join(a *answer) (arrow.Record, error) {
	var fields []arrow.Field
	var columns []arrow.Array
	defer func() { release(columns) }()
	if p.req.spares() {
		b := array.NewInt64Builder(p.mem)
		defer b.Release()
		b.AppendValues(a.numbers, nil)
		fields, columns = append(fields, arrow.Field{Type: arrow.PrimitiveTypes.Int64}), append(columns, b.NewArray())
	}
	outputs, err := p.whole(a)
	if err != nil {
		return nil, err
	}
	for i, o := range outputs {
		fields, columns = append(fields, arrow.Field{Name: p.bind.Outputs[i].Column, Type: o.DataType()}), append(columns, o)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, a.rows), nil
}

// whole puts each output's batches together, in arrays of the caller's.
func (p *serving) whole(a *answer) ([]arrow.Array, error) {
	if a.rows == 0 {
		return emptyOutputs(p.mem, p.bind), nil
	}
	var out []arrow.Array
	for i, parts := range a.outputs {
		column, err := p.together(i, parts)
		if err != nil {
			release(out)
			return nil, err
		}
		out = append(out, column)
	}
	return out, nil
}

// together is the parts of an output in one array, the caller's.
func (p *passage) together(output int, parts []arrow.Array) (arrow.Array, error) {
	if len(parts) == 1 {
		parts[0].Retain()
		return parts[0], nil
	}
	whole, err := array.Concatenate(parts, p.mem)
	if err != nil {
		return nil, fmt.Errorf("infer: %s: put the parts of output %s together: %w", p.from.place(), p.bind.Outputs[output].Alias, err)
	}
	return whole, nil
}
