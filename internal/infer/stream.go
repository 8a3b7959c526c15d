package infer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"golang.org/x/sync/errgroup"

	"tfos/internal/model"
)

// StreamWindow is how many records a task may have sent whose predictions it has
// not read: so many are taken in without one being read, and a task that writes
// before it reads never waits for itself.
const StreamWindow = 4

// errTaskGone ends a stream whose task has gone away.
var errTaskGone = errors.New("the task has gone away")

// serveStream serves one stream to its end. Its error ends all streams. The task's
// own failure or end is no error.
func (s *server) serveStream(ctx context.Context, in Stream) error {
	begin := time.Now()
	s.beginStream(begin)
	p := &serving{server: s, in: in, passage: passage{run: &s.run, from: BadRow{Partition: &in.Partition}, quarantine: quarantineWriter{name: in.quarantineName()}}}
	hangUp := context.AfterFunc(ctx, func() { _ = in.Close() })
	err := p.runStages(ctx)
	hangUp()
	_ = in.Close()
	now := time.Now()
	p.clocks.staged = now.Sub(begin)
	s.endStream(now, ServedPartition{in.Partition, in.Attempt, p.rows, p.quarantineFile, p.first}, p.clocks, err == nil)
	if err != nil {
		if left := p.quarantine.discard(ctx); left != nil {
			return errors.Join(err, left)
		}
	}
	if errors.Is(err, errTaskGone) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serving is the processing of one stream.
type serving struct {
	passage
	server         *server
	in             Stream
	quarantineFile *QuarantineFile // nil: there is none
}

// runStages runs the three stages to their end, as pipeline.flow does.
func (p *serving) runStages(ctx context.Context) error {
	reader, err := p.openStream()
	if reader == nil || err != nil {
		return err
	}
	defer reader.Release()
	batches := make(chan batch, StreamWindow)
	predictions := make(chan computed, StreamWindow)
	group, ctx := errgroup.WithContext(ctx)
	// This wakes a stage that waits at the connection when another one fails.
	defer context.AfterFunc(ctx, func() { _ = p.in.Close() })()
	group.Go(func() error { return p.read(ctx, reader, batches) })
	group.Go(func() error { return p.compute(ctx, batches, predictions) })
	group.Go(func() error { return p.write(ctx, predictions) })
	err = group.Wait()
	drain(batches, func(b batch) { b.record.Release() })
	drain(predictions, computed.release)
	return err
}

// openStream reads the columns' types and checks them against the model.
func (p *serving) openStream() (*ipc.Reader, error) {
	reader, err := ipc.NewReader(unbroken{p.in}, ipc.WithAllocator(p.server.arriving))
	if err != nil {
		return nil, wrapTaskGone(err)
	}
	mapping := p.req.Mapping()
	if p.req.OnBadRow != Quarantine {
		mapping.Keep = nil
	}
	p.bind, err = model.Check(p.signature, reader.Schema(), mapping)
	if err != nil {
		reader.Release()
		return nil, p.locate(err, batch{})
	}
	return reader, nil
}

func (p *serving) read(ctx context.Context, from *ipc.Reader, to chan<- batch) error {
	for {
		record, err := from.Read()
		if errors.Is(err, io.EOF) {
			close(to)
			return nil
		}
		if err != nil {
			return wrapTaskGone(err)
		}
		record.Retain() // the reader's until its next call
		b := batch{record: record, first: p.rows.Read}
		p.rows.Read += record.NumRows()
		select {
		case to <- b:
		case <-ctx.Done():
			record.Release()
			return ctx.Err()
		}
	}
}

func (p *serving) compute(ctx context.Context, from <-chan batch, to chan<- computed) error {
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
		all, err := p.predict(ctx, b)
		if err != nil {
			return err
		}
		p.clocks.compute += time.Since(start)
		for i, c := range all {
			if err := send(ctx, to, c, computed.release); err != nil {
				releaseAll(all[i+1:])
				return err
			}
		}
	}
}

// predict computes a record, in batches of the request's size, and releases it. It
// returns the predictions after the bad rows of each batch that has some.
func (p *serving) predict(ctx context.Context, b batch) (_ []computed, err error) {
	defer b.record.Release()
	if err := p.checkWhole(b); err != nil {
		return nil, err
	}
	var all []computed
	a := answer{outputs: make([][]arrow.Array, len(p.bind.Outputs))}
	defer func() {
		a.release()
		if err != nil {
			releaseAll(all)
		}
	}()
	rows, size := b.record.NumRows(), int64(p.bind.WholeBatches(p.req.BatchSize))
	for from := int64(0); from < rows; from += size {
		start := time.Now()
		n := min(size, rows-from)
		part := batch{record: b.record.NewSlice(from, from+n), first: b.first + from}
		outputs, good, c, err := p.predictGoodRows(ctx, part)
		part.record.Release()
		if err != nil {
			return nil, err
		}
		if len(c.bad) > 0 {
			all = append(all, c)
		}
		predicted := n - int64(len(c.bad))
		if predicted > 0 {
			a.addOutputs(outputs, predicted)
		}
		if p.req.toleratesBadRows() {
			a.addNumbers(good, from, predicted)
		}
		p.tally.addBatch(predicted, 0)
		p.tally.addStep(time.Since(start))
	}
	record, err := p.joinAnswer(&a)
	if err != nil {
		return nil, err
	}
	return append(all, computed{record: record}), nil
}

func releaseAll(all []computed) {
	for _, c := range all {
		c.release()
	}
}

// write counts and sets aside bad rows, and sends every record. The end of the
// stream tells the task that it has all, and that its quarantine is on disk.
func (p *serving) write(ctx context.Context, from <-chan computed) error {
	var w *ipc.Writer
	for {
		c, ok, err := receive(ctx, from)
		if err != nil {
			return err
		}
		start := time.Now()
		if ok {
			w, err = p.sendRecord(ctx, w, c)
			c.release()
		} else {
			err = p.finish(ctx, w)
		}
		p.clocks.write += time.Since(start)
		if err != nil || !ok {
			return err
		}
	}
}

// sendRecord sends c's record with w, and counts and quarantines its bad rows. The
// first record creates w.
func (p *serving) sendRecord(ctx context.Context, w *ipc.Writer, c computed) (*ipc.Writer, error) {
	if err := p.addBadRows(ctx, c); err != nil {
		return w, p.writeError(err)
	}
	if c.record == nil {
		return w, nil
	}
	if w == nil {
		w = ipc.NewWriter(p.in, ipc.WithSchema(c.record.Schema()), ipc.WithAllocator(p.mem))
	}
	p.rows.Rows += c.record.NumRows()
	return w, wrapTaskGone(w.Write(c.record))
}

// finish ends a stream whose rows are all accounted for. Its record comes after
// the quarantine that it names, and before the task can have Spark commit.
func (p *serving) finish(ctx context.Context, w *ipc.Writer) error {
	err := p.checkBalance()
	if err != nil {
		return err
	}
	if err = p.quarantine.close(); err != nil {
		return p.writeError(err)
	}
	if p.quarantineFile, err = p.quarantine.commit(); err != nil || w == nil {
		return err
	}
	if err = p.writePartitionRecord(ctx); err != nil {
		return err
	}
	return wrapTaskGone(w.Close())
}

// unbroken is a connection whose end is an error: Arrow takes it for the end of
// its stream, which only a task that has sent all rows marks.
type unbroken struct{ from io.Reader }

func (u unbroken) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// wrapTaskGone makes the error of a connection an errTaskGone. It returns nil for nil.
func wrapTaskGone(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errTaskGone, err)
}
