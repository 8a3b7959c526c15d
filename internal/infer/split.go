package infer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"tfos/internal/exit"
	"tfos/internal/files"
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

// predictSplit writes the file of one split's predictions.
func (r *run) predictSplit(ctx context.Context, s Split) error {
	data, bind, err := r.splitColumns(ctx, s)
	if err != nil {
		return err
	}
	out, err := createOutput(ctx, r.create, r.req.Output, PartName(s.ID, r.req.Format))
	if err != nil {
		return err
	}
	p := &pipeline{passage: passage{run: r, bind: bind, from: BadRow{File: s.Path, Offset: s.Offset}, quarantine: quarantineWriter{name: QuarantineName(s.ID)}},
		split: s, data: data, out: out}
	err = p.runStages(ctx)
	if err == nil {
		err = p.checkBalance()
	}
	if err != nil {
		out.discard()
		return errors.Join(err, p.quarantine.discard(ctx))
	}
	start := time.Now()
	result := SplitResult{
		ID: s.ID, Input: s.Path, Offset: s.Offset, Length: s.Length, Output: out.name,
		Account: p.rows, FirstBad: p.first, Run: r.req.Run, Stamp: s.Stamp,
	}
	if result.Quarantine, err = p.quarantine.commit(); err != nil {
		out.discard()
		return err
	}
	if result.SHA256, err = out.commit(); err != nil {
		return errors.Join(err, p.quarantine.discard(ctx))
	}
	result.Bytes = out.bytes
	if err := r.writeRecord(ctx, result); err != nil {
		return err
	}
	p.clocks.write += time.Since(start)
	r.tally.addSplit(result, s.Length-p.bytes, p.clocks)
	return nil
}

// checkBalance returns an error if rows are unaccounted for. That is this program's
// fault.
func (p *passage) checkBalance() error {
	if err := p.rows.Balance(); err != nil {
		return atFile(exit.Internal, "account for the rows of", p.from.place(), err)
	}
	return nil
}

// passage is the processing of one piece of input: a split, or the stream of one of
// Spark's tasks.
type passage struct {
	*run
	bind *model.Binding
	from BadRow // where its rows are: their file and split, or partition
	// What the stages count: Read the reading one, the rest the writing one.
	rows         Account
	first        *BadRow
	quarantine   quarantineWriter
	clocks       clocks
	computedRows int64 // rows that the computing stage has received
}

// pipeline is the processing of one split.
type pipeline struct {
	passage
	split Split
	data  *files.Dataset
	out   *output
	bytes int64 // of the split, computed
}

// runStages runs the three stages to their end, and empties their channels. A stage
// closes its channel only when it has sent everything. After an error the other
// stages end by ctx: the first error is the cause.
func (p *pipeline) runStages(ctx context.Context) error {
	batches := make(chan batch, pipelineDepth)
	predictions := make(chan computed, pipelineDepth)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.read(ctx, batches) })
	group.Go(func() error { return p.compute(ctx, batches, predictions) })
	group.Go(func() error { return p.write(ctx, predictions) })
	err := group.Wait()
	drain(batches, func(b batch) { b.record.Release() })
	drain(predictions, computed.release)
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

// send hands a value on, or drops it when ctx ends.
func send[T any](ctx context.Context, to chan<- T, v T, drop func(T)) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		drop(v)
		return ctx.Err()
	}
}

// batch is rows from the first on: of the file or partition, or else of the split.
type batch struct {
	record  arrow.Record
	first   int64
	inSplit bool
	bytes   int64 // of the split, that its rows take
	bad     []files.BadRow
}

func (p *pipeline) read(ctx context.Context, to chan<- batch) (err error) {
	reader, err := p.data.Read(ctx, p.split.Split)
	if err != nil {
		return failed(p.split.Path, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	whole := batchRegrouper{mem: p.mem, size: max(1, p.bind.Batch)}
	defer func() {
		if b, ok := whole.takeRest(); ok { // after an error
			b.record.Release()
		}
	}()
	passed := int64(0)
	for {
		start := time.Now()
		b, err := p.nextBatch(reader, &passed)
		if err == io.EOF {
			if b, ok := whole.takeRest(); ok {
				if err := sendBatch(ctx, to, b); err != nil {
					return err
				}
			}
			close(to)
			return nil
		}
		if err != nil {
			return failed(p.split.Path, err)
		}
		p.clocks.read += time.Since(start)
		b, ok, err := whole.addBatch(b)
		if err != nil {
			return err
		}
		if ok {
			if err := sendBatch(ctx, to, b); err != nil {
				return err
			}
		}
	}
}

// nextBatch reads the next batch, and adds its bytes of the split to passed.
func (p *pipeline) nextBatch(reader files.Reader, passed *int64) (batch, error) {
	record, err := reader.Next()
	if err != nil {
		return batch{}, err
	}
	b := batch{record: record, bad: files.Bad(reader)}
	first, ofFile := files.FirstRow(reader)
	b.first, b.inSplit = first+p.rows.Read, !ofFile
	p.rows.Read += record.NumRows()
	if placed, ok := reader.(files.Placed); ok {
		b.bytes = int64(placed.Passed()*float64(p.split.Length)) - *passed
		*passed += b.bytes
	}
	return b, nil
}

// sendBatch passes a batch on, or drops it when ctx ends.
func sendBatch(ctx context.Context, to chan<- batch, b batch) error {
	return send(ctx, to, b, func(b batch) { b.record.Release() })
}

func (p *pipeline) compute(ctx context.Context, from <-chan batch, to chan<- computed) error {
	begin := time.Now()
	defer func() { p.clocks.staged = time.Since(begin) }()
	for some, last := false, begin; ; {
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
			// So that a split without good rows has a file with the columns
			// that the others have.
			b.record = p.data.NoRows()
		}
		start := time.Now()
		c, err := p.predict(ctx, b)
		if err != nil {
			return err
		}
		p.clocks.compute += time.Since(start)
		p.bytes += b.bytes
		some = some || c.record != nil
		p.tally.addBatch(c.rows(), b.bytes)
		p.tally.addStep(time.Since(last))
		last = time.Now()
		if err := send(ctx, to, c, computed.release); err != nil {
			return err
		}
	}
}

// outputs runs the model. Without rows it runs the model only if the outputs' types
// are not known otherwise.
func (p *passage) outputs(ctx context.Context, record arrow.Record) ([]arrow.Array, error) {
	if record.NumRows() == 0 {
		if arrays := emptyOutputs(p.mem, p.bind); arrays != nil {
			return arrays, nil
		}
	}
	return p.model.Predict(ctx, p.mem, p.bind, record)
}
