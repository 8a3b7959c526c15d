package infer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"golang.org/x/sync/errgroup"

	"tfos/internal/model"
)

// StreamWindow is how many records a task may have sent whose predictions it has
// not read: so many are taken in without one being read, and a task that writes
// before it reads never waits for itself.
const StreamWindow = 4

// errAway is the end of a stream whose task has gone away.
var errAway = errors.New("the task has gone away")

// stream serves one stream to its end. Its error ends all: what the task itself
// does wrong, or its end, is none.
func (s *server) stream(ctx context.Context, in Stream) error {
	begin := time.Now()
	s.begin(begin)
	p := &serving{server: s, in: in}
	hangUp := context.AfterFunc(ctx, func() { _ = in.Close() })
	err := p.flow(ctx)
	hangUp()
	_ = in.Close()
	now := time.Now()
	p.clocks.staged = now.Sub(begin)
	s.end(now, ServedPartition{in.Partition, in.Attempt, p.rows}, p.clocks, err == nil)
	if errors.Is(err, errAway) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serving is one stream on its way.
type serving struct {
	*server
	in     Stream
	bind   *model.Binding
	rows   int64 // predictions sent
	clocks clocks
}

// flow runs the three stages to their end, as pipeline.flow does.
func (p *serving) flow(ctx context.Context) error {
	reader, err := p.open()
	if reader == nil || err != nil {
		return err
	}
	defer reader.Release()
	batches := make(chan batch, StreamWindow)
	predictions := make(chan arrow.Record, StreamWindow)
	group, ctx := errgroup.WithContext(ctx)
	// A stage that waits at the connection hears of another's error so.
	defer context.AfterFunc(ctx, func() { _ = p.in.Close() })()
	group.Go(func() error { return p.read(ctx, reader, batches) })
	group.Go(func() error { return p.compute(ctx, batches, predictions) })
	group.Go(func() error { return p.write(ctx, predictions) })
	err = group.Wait()
	drain(batches, func(b batch) { b.record.Release() })
	drain(predictions, arrow.Record.Release)
	return err
}

// open reads the columns' types and holds them against the model.
func (p *serving) open() (*ipc.Reader, error) {
	reader, err := ipc.NewReader(p.in, ipc.WithAllocator(p.arriving))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	p.bind, err = model.Check(p.signature, reader.Schema(), p.req.InputMapping, p.req.OutputMapping, nil)
	if err != nil {
		reader.Release()
		return nil, p.in.locate(err, 0)
	}
	return reader, nil
}

func (p *serving) read(ctx context.Context, from *ipc.Reader, to chan<- batch) error {
	for first := int64(0); ; {
		record, err := from.Read()
		if errors.Is(err, io.EOF) {
			close(to)
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errAway, err)
		}
		record.Retain() // the reader's until its next call
		b := batch{record: record, first: first}
		first += record.NumRows()
		select {
		case to <- b:
		case <-ctx.Done():
			record.Release()
			return ctx.Err()
		}
	}
}

func (p *serving) compute(ctx context.Context, from <-chan batch, to chan<- arrow.Record) error {
	for {
		asked := time.Now()
		b, ok, err := receive(ctx, from)
		if err != nil {
			return err
		}
		if !ok {
			close(to)
			return nil
		}
		start := time.Now()
		p.clocks.waited += start.Sub(asked)
		record, err := p.predict(ctx, b)
		if err != nil {
			return err
		}
		p.clocks.compute += time.Since(start)
		if err := send(ctx, to, record, arrow.Record.Release); err != nil {
			return err
		}
	}
}

// predict computes a record, in batches of the request's size, and releases it.
func (p *serving) predict(ctx context.Context, b batch) (arrow.Record, error) {
	defer b.record.Release()
	columns := make([][]arrow.Array, len(p.bind.Outputs))
	defer func() {
		for _, parts := range columns {
			release(parts)
		}
	}()
	rows, size := b.record.NumRows(), int64(p.req.BatchSize)
	for from := int64(0); from < rows; from += size {
		start := time.Now()
		part := b.record.NewSlice(from, min(from+size, rows))
		outputs, err := p.model.Predict(ctx, p.mem, p.bind, part)
		if err != nil {
			err = p.blame(ctx, part, err)
		}
		part.Release()
		if err != nil {
			return nil, p.in.locate(err, b.first+from)
		}
		for i, o := range outputs {
			columns[i] = append(columns[i], o)
		}
		p.tally.batch(min(size, rows-from), 0)
		p.tally.step(time.Since(start))
	}
	return p.join(columns, rows)
}

// join puts the predictions of a record's batches together.
func (p *serving) join(columns [][]arrow.Array, rows int64) (arrow.Record, error) {
	if rows == 0 {
		return p.none()
	}
	fields := make([]arrow.Field, len(columns))
	whole := make([]arrow.Array, len(columns))
	defer func() {
		for _, a := range whole {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, parts := range columns {
		whole[i] = parts[0]
		if len(parts) == 1 {
			whole[i].Retain()
		} else {
			var err error
			if whole[i], err = array.Concatenate(parts, p.mem); err != nil {
				return nil, fmt.Errorf("infer: %s: put the batches of output %s together: %w", p.in.place(), p.bind.Outputs[i].Alias, err)
			}
		}
		fields[i] = arrow.Field{Name: p.bind.Outputs[i].Column, Type: whole[i].DataType()}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), whole, rows), nil
}

// none is the prediction of no rows.
func (p *serving) none() (arrow.Record, error) {
	arrays := emptyOutputs(p.mem, p.bind)
	defer release(arrays)
	var fields []arrow.Field
	for i, a := range arrays {
		fields = append(fields, arrow.Field{Name: p.bind.Outputs[i].Column, Type: a.DataType()})
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, 0), nil
}

// write sends every record. The end of the stream tells the task that it has
// all.
func (p *serving) write(ctx context.Context, from <-chan arrow.Record) error {
	var w *ipc.Writer
	for {
		record, ok, err := receive(ctx, from)
		if err != nil {
			return err
		}
		start := time.Now()
		switch {
		case ok:
			if w == nil {
				w = ipc.NewWriter(p.in, ipc.WithSchema(record.Schema()), ipc.WithAllocator(p.mem))
			}
			err = w.Write(record)
			p.rows += record.NumRows()
			record.Release()
		case w != nil:
			if err := p.record(ctx); err != nil {
				return err
			}
			err = w.Close()
		}
		p.clocks.write += time.Since(start)
		if err != nil {
			return fmt.Errorf("%w: %w", errAway, err)
		}
		if !ok {
			return nil
		}
	}
}
