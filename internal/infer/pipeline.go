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

// pipeline takes the rows of one piece of input through the model: those of a split,
// or of one of Spark's tasks. Three goroutines read, compute and write. Channels of
// depth batches are between them.
type pipeline struct {
	*run
	bind *model.Binding
	from BadRow // where its rows are: their file and split, or partition
	// source and sink are the only difference between files and Spark's rows.
	source source
	sink   sink
	depth  int
	// cut is the most rows of one run of the model; 0: it runs each batch as a whole.
	cut int64
	// hangUp ends the wait of a stage at a connection; nil: no stage waits at one.
	hangUp func()

	// What the stages count: the reading one Read, the writing one the rest.
	rows           Account
	first          *BadRow
	quarantine     quarantineWriter
	quarantineFile *QuarantineFile // nil: there is none; valid once the rows are accounted for
	clocks         clocks
	// Of the computing stage: the rows that it has received, their bytes of the split,
	// and when it computed the last ones.
	computedRows, bytes int64
	lastStep            time.Time
}

// source gives the rows of one piece of input. One goroutine uses it.
type source interface {
	// next returns the next batch, which the caller releases. io.EOF: there is none.
	// ctx of the first call is that of all calls.
	next(ctx context.Context) (batch, error)
	// noRows returns a batch without rows, from which a sink without a record gets
	// its columns. nil: the sink needs none.
	noRows() arrow.Record
	close() error
}

// sink takes what is computed of one piece of input.
type sink interface {
	// arrange returns the record of a batch: the columns that the sink adds, and
	// the outputs of the rows that are good (nil: of all). Without a good row there
	// are no outputs. nil: the batch has no record. The computing stage calls it.
	arrange(b batch, outputs []arrow.Array, good []int64) (arrow.Record, error)
	// write takes a record; the caller releases it.
	write(record arrow.Record) error
	// finish completes what was written. All rows are accounted for, and the
	// quarantine file has its name.
	finish(ctx context.Context) error
	// discard releases what the sink holds, and removes what it has written.
	discard()
}

// batch is rows from the first on: of the file or partition, or else of the split.
type batch struct {
	record  arrow.Record
	first   int64
	inSplit bool
	bytes   int64 // of the split, that its rows take
	bad     []files.BadRow
}

func (b batch) release() { b.record.Release() }

// clocks is the time that the stages worked, without their waiting; and of the
// computing stage how long it waited for rows, and took in all.
type clocks struct {
	read, compute, write time.Duration
	waited, staged       time.Duration
}

// runStages runs the stages to their end, and empties their channels. A stage closes
// its channel only when it has sent everything. After an error the other stages end
// by ctx: the first error is the cause. Then nothing stays of what was written.
func (p *pipeline) runStages(parent context.Context) error {
	batches := make(chan batch, p.depth)
	predictions := make(chan computed, p.depth)
	group, ctx := errgroup.WithContext(parent)
	if p.hangUp != nil {
		defer context.AfterFunc(ctx, p.hangUp)()
	}
	group.Go(func() error { return p.readStage(ctx, batches) })
	group.Go(func() error { return p.computeStage(ctx, batches, predictions) })
	group.Go(func() error { return p.writeStage(ctx, predictions) })
	err := group.Wait()
	drain(batches, batch.release)
	drain(predictions, computed.release)
	if err = errors.Join(err, p.source.close()); err != nil {
		p.sink.discard()
		err = errors.Join(err, p.quarantine.discard(parent))
	}
	return err
}

func (p *pipeline) readStage(ctx context.Context, to chan<- batch) error {
	for {
		b, err := p.source.next(ctx)
		if err == io.EOF { // one that is wrapped is a file or stream that breaks off
			close(to)
			return nil
		}
		if err != nil {
			return err
		}
		p.rows.Read += b.record.NumRows()
		if err := send(ctx, to, b, batch.release); err != nil {
			return err
		}
	}
}

func (p *pipeline) computeStage(ctx context.Context, from <-chan batch, to chan<- computed) error {
	begin := time.Now()
	p.lastStep = begin
	defer func() { p.clocks.staged = time.Since(begin) }()
	for some := false; ; {
		asked := time.Now()
		b, more, err := receive(ctx, from)
		if err != nil {
			return err
		}
		start := time.Now()
		p.clocks.waited += start.Sub(asked)
		if !more && !some {
			b.record = p.source.noRows()
		}
		if b.record == nil {
			close(to)
			return nil
		}
		all, err := p.predict(ctx, b)
		if err != nil {
			return err
		}
		p.clocks.compute += time.Since(start)
		p.bytes += b.bytes
		for i, c := range all {
			some = some || c.record != nil
			if err := send(ctx, to, c, computed.release); err != nil {
				releaseAll(all[i+1:])
				return err
			}
		}
	}
}

// writeStage counts and sets aside bad rows, and gives every record to the sink.
func (p *pipeline) writeStage(ctx context.Context, from <-chan computed) error {
	for {
		c, ok, err := receive(ctx, from)
		if err != nil {
			return err
		}
		start := time.Now()
		if ok {
			err = p.writeComputed(ctx, c)
		} else {
			err = p.complete(ctx)
		}
		p.clocks.write += time.Since(start)
		if err != nil || !ok {
			return err
		}
	}
}

func (p *pipeline) writeComputed(ctx context.Context, c computed) error {
	defer c.release()
	if err := p.addBadRows(ctx, c); err != nil {
		return p.writeError(err)
	}
	if c.record == nil {
		return nil
	}
	p.rows.Rows += c.record.NumRows()
	return p.sink.write(c.record)
}

// complete ends a piece of input whose rows are all accounted for. The quarantine has
// its name before a record names it.
func (p *pipeline) complete(ctx context.Context) (err error) {
	if err := p.checkBalance(); err != nil {
		return err
	}
	if err := p.quarantine.close(); err != nil {
		return p.writeError(err)
	}
	if p.quarantineFile, err = p.quarantine.commit(); err != nil {
		return err
	}
	return p.sink.finish(ctx)
}

// checkBalance returns an error if rows are unaccounted for. That is this program's
// fault.
func (p *pipeline) checkBalance() error {
	if err := p.rows.Balance(); err != nil {
		return atFile(exit.Internal, "account for the rows of", p.from.place(), err)
	}
	return nil
}

// addBadRows counts a batch's bad rows. If the request wants it, it writes them into
// the quarantine.
func (p *pipeline) addBadRows(ctx context.Context, c computed) error {
	if len(c.bad) == 0 {
		return nil
	}
	if p.first == nil {
		p.first = &c.bad[0]
	}
	for _, bad := range c.bad {
		if bad.graph {
			p.rows.GraphFailed++
		}
	}
	if p.req.OnBadRow == Skip {
		p.rows.Skipped += int64(len(c.bad))
		return nil
	}
	before := p.quarantine.rows
	err := p.quarantine.addBadRows(ctx, p, c)
	p.rows.Quarantined += p.quarantine.rows - before
	return err
}

// writeError keeps the exit code of the output file's own errors. Errors of the
// format's writer about columns are the data's fault.
func (p *pipeline) writeError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return atFile(exit.BadData, "write the predictions for", p.from.place(), err)
}
