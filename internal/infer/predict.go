package infer

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// computed is what the model has made of a batch: its record, or bad rows.
type computed struct {
	record arrow.Record  // of the good rows, as the sink arranges them; nil: there is none
	bad    []BadRow      // in their order
	kept   []arrow.Array // of the bad rows, in the binding's order of Keep
}

func (c computed) release() {
	if c.record != nil {
		c.record.Release()
	}
	release(c.kept)
}

func releaseAll(all []computed) {
	for _, c := range all {
		c.release()
	}
}

// predict computes a batch in pieces of pieceRows rows, and releases it. It returns the
// bad rows of each piece that has some, and then the record of the whole batch.
func (p *pipeline) predict(ctx context.Context, b batch) (all []computed, err error) {
	defer b.release()
	if err := p.checkWhole(b); err != nil {
		return nil, err
	}
	a := answer{outputs: make([][]arrow.Array, len(p.bind.Outputs))}
	defer func() {
		a.release()
		if err != nil {
			releaseAll(all)
			all = nil
		}
	}()
	rows := b.record.NumRows()
	for from, n := int64(0), int64(0); from < max(1, rows); from += max(1, n) { // once for a batch without rows
		n = min(p.pieceRows(max(1, rows)), rows-from)
		outputs, good, c, err := p.predictPiece(ctx, b, from, n)
		if err != nil {
			return all, err
		}
		if len(c.bad) > 0 {
			all = append(all, c)
		}
		a.add(outputs, good, from, n, n-int64(len(c.bad)))
	}
	record, err := p.joinAnswer(&a, b)
	if err == nil && record != nil {
		all = append(all, computed{record: record})
	}
	return all, err
}

// pieceRows returns how many of so many rows the next run of the model takes.
func (p *pipeline) pieceRows(rows int64) int64 {
	if p.cut > 0 {
		rows = p.cut
	}
	if size := p.sizes.next(); size > 0 {
		rows = min(rows, int64(p.bind.WholeBatches(int(size))))
	}
	return rows
}

// predictPiece is predictGoodRows for n rows of a batch. It counts them.
func (p *pipeline) predictPiece(ctx context.Context, b batch, from, n int64) (outputs []arrow.Array, good []int64, c computed, err error) {
	bytes := b.bytes
	if n < b.record.NumRows() {
		b = batch{record: b.record.NewSlice(from, from+n), first: b.first + from}
		defer b.release()
		bytes = 0
	}
	if outputs, good, c, err = p.predictGoodRows(ctx, b); err == nil {
		p.tally.addBatch(n-int64(len(c.bad)), bytes)
		now := time.Now()
		p.tally.addStep(now.Sub(p.lastStep))
		p.lastStep = now
	}
	return outputs, good, c, err
}

// outputs runs the model. Without rows it runs the model only if the outputs' types
// are not known otherwise.
func (p *pipeline) outputs(ctx context.Context, record arrow.Record) ([]arrow.Array, error) {
	if record.NumRows() == 0 {
		if arrays := emptyOutputs(p.mem, p.bind); arrays != nil {
			return arrays, nil
		}
	}
	begin := time.Now()
	arrays, err := p.model.Predict(ctx, p.mem, p.bind, record)
	if err == nil {
		p.sizes.ran(record.NumRows(), time.Since(begin))
	}
	return arrays, err
}

// answer collects the outputs for a batch, piece by piece.
type answer struct {
	outputs [][]arrow.Array // of each output, the pieces'
	pieces  int             // that have outputs
	good    []int64         // numbers of the predicted rows in the batch; nil: all so far
}

// add takes ownership of the outputs of n rows from a row of the batch on, of which
// good (nil: all, or none) are predicted.
func (a *answer) add(outputs []arrow.Array, good []int64, from, n, predicted int64) {
	if outputs != nil {
		a.pieces++
	}
	for i, o := range outputs {
		a.outputs[i] = append(a.outputs[i], o)
	}
	switch {
	case predicted < n && a.good == nil:
		a.good = rowsUpTo(from)
	case a.good == nil:
		return
	}
	if predicted == n {
		good = rowsUpTo(n)
	}
	for _, row := range good {
		a.good = append(a.good, from+row)
	}
}

func (a *answer) release() {
	for _, parts := range a.outputs {
		release(parts)
	}
}

// joinAnswer joins what was collected for a batch, and has the sink make its record.
func (p *pipeline) joinAnswer(a *answer, b batch) (arrow.Record, error) {
	var outputs []arrow.Array
	defer func() { release(outputs) }()
	if a.pieces > 0 {
		for i, parts := range a.outputs {
			column, err := p.concatenate(i, parts)
			if err != nil {
				return nil, err
			}
			outputs = append(outputs, column)
		}
	}
	record, err := p.sink.arrange(b, outputs, a.good)
	if err != nil {
		return nil, p.locate(err, b)
	}
	return record, nil
}

// concatenate returns the parts of an output as one array. The caller releases it.
func (p *pipeline) concatenate(output int, parts []arrow.Array) (arrow.Array, error) {
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

// joinOutputs returns a record of n rows: columns, and the outputs after them.
func (p *pipeline) joinOutputs(fields []arrow.Field, columns, outputs []arrow.Array, n int64) arrow.Record {
	for i, o := range outputs {
		fields, columns = append(fields, arrow.Field{Name: p.bind.Outputs[i].Column, Type: o.DataType()}), append(columns, o)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, n)
}

// keptColumns returns the kept columns of rows (nil: all). The caller releases them,
// after an error too.
func (p *pipeline) keptColumns(record arrow.Record, rows []int64) (kept []arrow.Array, err error) {
	for _, name := range p.bind.Keep {
		column := record.Column(record.Schema().FieldIndices(name)[0])
		if rows == nil {
			column.Retain()
		} else if column, err = Pick(p.mem, column, rows); err != nil {
			return kept, err
		}
		kept = append(kept, column)
	}
	return kept, nil
}
