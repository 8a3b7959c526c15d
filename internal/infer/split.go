package infer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"tfos/internal/feed/files"
	"tfos/internal/model"
)

// pipelineDepth is the batches that wait between two stages of a split.
const pipelineDepth = 2

// clocks is the time that a split's stages worked, without their waiting; and of
// the computing stage how long it waited for rows, and took in all.
type clocks struct {
	read, compute, write time.Duration
	waited, staged       time.Duration
}

// split makes one split's file.
func (r *run) split(ctx context.Context, s Split) error {
	data, bind, err := r.columns(ctx, s)
	if err != nil {
		return err
	}
	out, err := createOutput(ctx, r.create, r.req.Output, PartName(s.ID, r.req.Format))
	if err != nil {
		return err
	}
	p := &pipeline{run: r, split: s, data: data, bind: bind, out: out}
	if err := p.flow(ctx); err != nil {
		out.discard()
		return err
	}
	start := time.Now()
	sum, err := out.commit()
	if err != nil {
		return err
	}
	result := SplitResult{ID: s.ID, Input: s.Path, Offset: s.Offset, Length: s.Length, Output: out.name, Rows: p.rows, Bytes: out.bytes, SHA256: sum, Run: r.req.Run, Stamp: s.Stamp}
	if err := r.record(ctx, result); err != nil {
		return err
	}
	p.clocks.write += time.Since(start)
	r.tally.split(result, s.Length-p.bytes, p.clocks)
	return nil
}

// pipeline is one split on its way.
type pipeline struct {
	*run
	split  Split
	data   *files.Dataset
	bind   *model.Binding
	out    *output
	rows   int64 // written
	bytes  int64 // of the split, computed
	clocks clocks
}

// flow runs the three stages to their end, and leaves nothing in their
// channels. A stage closes its channel when all is sent, and only then: after
// an error the others end by ctx, so that the first error is the cause.
func (p *pipeline) flow(ctx context.Context) error {
	batches := make(chan batch, pipelineDepth)
	predictions := make(chan arrow.Record, pipelineDepth)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.read(ctx, batches) })
	group.Go(func() error { return p.compute(ctx, batches, predictions) })
	group.Go(func() error { return p.write(ctx, predictions) })
	err := group.Wait()
	drain(batches, func(b batch) { b.record.Release() })
	drain(predictions, arrow.Record.Release)
	return err
}

func drain[T any](from <-chan T, drop func(T)) {
	for {
		select {
		case v, ok := <-from:
			if !ok {
				return
			}
			drop(v)
		default:
			return
		}
	}
}

// receive waits for the next value; ok is false when all was sent.
func receive[T any](ctx context.Context, from <-chan T) (v T, ok bool, err error) {
	select {
	case v, ok = <-from:
		return v, ok, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}

// send hands a record on, or releases it when ctx ends.
func send(ctx context.Context, to chan<- arrow.Record, record arrow.Record) error {
	select {
	case to <- record:
		return nil
	case <-ctx.Done():
		record.Release()
		return ctx.Err()
	}
}

// batch is rows of the split from the first on.
type batch struct {
	record arrow.Record
	first  int64
	bytes  int64 // of the split, that its rows take
}

func (p *pipeline) read(ctx context.Context, to chan<- batch) (err error) {
	reader, err := p.data.Read(ctx, p.split.Split)
	if err != nil {
		return failed(p.split.Path, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	first, passed := int64(0), int64(0)
	for {
		start := time.Now()
		record, err := reader.Next()
		if err == io.EOF {
			close(to)
			return nil
		}
		if err != nil {
			return failed(p.split.Path, err)
		}
		p.clocks.read += time.Since(start)
		b := batch{record: record, first: first}
		if placed, ok := reader.(files.Placed); ok {
			b.bytes = int64(placed.Passed()*float64(p.split.Length)) - passed
		}
		first, passed = first+record.NumRows(), passed+b.bytes
		select {
		case to <- b:
		case <-ctx.Done():
			record.Release()
			return ctx.Err()
		}
	}
}

func (p *pipeline) compute(ctx context.Context, from <-chan batch, to chan<- arrow.Record) error {
	begin := time.Now()
	defer func() { p.clocks.staged = time.Since(begin) }()
	for some, last := false, begin; ; some = true {
		asked := time.Now()
		b, ok, err := receive(ctx, from)
		if err != nil {
			return err
		}
		p.clocks.waited += time.Since(asked)
		if !ok && some {
			close(to)
			return nil
		}
		if !ok {
			// So that a split without rows has a file with the columns that
			// the others have.
			b.record = p.data.NoRows()
		}
		start := time.Now()
		record, err := p.predict(ctx, b)
		if err != nil {
			return err
		}
		p.clocks.compute += time.Since(start)
		p.bytes += b.bytes
		p.tally.batch(record.NumRows(), b.bytes)
		p.tally.step(time.Since(last))
		last = time.Now()
		if err := send(ctx, to, record); err != nil {
			return err
		}
	}
}

// predict computes one batch, releases it, and returns the record to write.
func (p *pipeline) predict(ctx context.Context, b batch) (arrow.Record, error) {
	defer b.record.Release()
	outputs, err := p.outputs(ctx, b.record)
	if err != nil {
		return nil, p.locate(err, b.first)
	}
	defer release(outputs)
	var fields []arrow.Field
	var columns []arrow.Array
	for _, name := range p.bind.Keep {
		i := b.record.Schema().FieldIndices(name)[0]
		fields = append(fields, b.record.Schema().Field(i))
		columns = append(columns, b.record.Column(i))
	}
	for i, out := range p.bind.Outputs {
		fields = append(fields, arrow.Field{Name: out.Column, Type: outputs[i].DataType()})
		columns = append(columns, outputs[i])
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, b.record.NumRows()), nil
}

// outputs runs the model; without rows it does so only when there is no other
// way to learn the outputs' types.
func (p *pipeline) outputs(ctx context.Context, record arrow.Record) ([]arrow.Array, error) {
	if record.NumRows() == 0 {
		if arrays := emptyOutputs(p.mem, p.bind); arrays != nil {
			return arrays, nil
		}
	}
	return p.model.Predict(ctx, p.mem, p.bind, record)
}
