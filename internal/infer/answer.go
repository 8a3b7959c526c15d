package infer

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// answer collects the predictions for a record, batch by batch.
type answer struct {
	outputs    [][]arrow.Array // of each output, the batches'
	rows       int64           // predicted
	rowNumbers []int64         // of the predicted rows in the record, if the request tolerates bad rows
}

func (a *answer) addOutputs(outputs []arrow.Array, rows int64) {
	for i, o := range outputs {
		a.outputs[i] = append(a.outputs[i], o)
	}
	a.rows += rows
}

// addNumbers adds the numbers of the predicted rows of a batch, which begins at the
// record's row first. good has them in the batch; nil: the first n.
func (a *answer) addNumbers(good []int64, first, n int64) {
	for i := range n {
		row := i
		if good != nil {
			row = good[i]
		}
		a.rowNumbers = append(a.rowNumbers, first+row)
	}
}

func (a *answer) release() {
	for _, parts := range a.outputs {
		release(parts)
	}
}

// joinAnswer returns the record that answers one: the row numbers, if the request
// tolerates bad rows, and the outputs.
func (p *serving) joinAnswer(a *answer) (arrow.Record, error) {
	var fields []arrow.Field
	var columns []arrow.Array
	defer func() { release(columns) }()
	if p.req.toleratesBadRows() {
		b := array.NewInt64Builder(p.mem)
		defer b.Release()
		b.AppendValues(a.rowNumbers, nil)
		fields, columns = append(fields, arrow.Field{Type: arrow.PrimitiveTypes.Int64}), append(columns, b.NewArray())
	}
	outputs, err := p.joinOutputs(a)
	if err != nil {
		return nil, err
	}
	for i, o := range outputs {
		fields, columns = append(fields, arrow.Field{Name: p.bind.Outputs[i].Column, Type: o.DataType()}), append(columns, o)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, a.rows), nil
}

// joinOutputs concatenates the batches of each output. The caller releases the
// arrays.
func (p *serving) joinOutputs(a *answer) ([]arrow.Array, error) {
	if a.rows == 0 {
		return emptyOutputs(p.mem, p.bind), nil
	}
	var out []arrow.Array
	for i, parts := range a.outputs {
		column, err := p.concatenate(i, parts)
		if err != nil {
			release(out)
			return nil, err
		}
		out = append(out, column)
	}
	return out, nil
}

// concatenate returns the parts of an output as one array. The caller releases it.
func (p *passage) concatenate(output int, parts []arrow.Array) (arrow.Array, error) {
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
