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
	s.beginStream(time.Now())
	hangUp := func() { _ = in.Close() }
	p := &pipeline{
		run: &s.run, depth: StreamWindow, from: BadRow{Partition: &in.Partition}, hangUp: hangUp,
		quarantine: quarantineWriter{in: s.aside, name: in.quarantineName()},
	}
	stop := context.AfterFunc(ctx, hangUp)
	reader, err := s.openStream(p, in)
	if err == nil {
		p.source = &streamReader{reader: reader}
		p.sink = &streamWriter{pipeline: p, digest: s.tally.result.Digest, to: in}
		err = p.runStages(ctx)
	}
	stop()
	hangUp()
	s.endStream(time.Now(), ServedPartition{in.Partition, in.Attempt, p.rows, p.quarantineFile, p.first}, p.clocks, err == nil)
	if errors.Is(err, errTaskGone) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// openStream reads the columns' types, and binds them to the model's.
func (s *server) openStream(p *pipeline, in Stream) (*ipc.Reader, error) {
	reader, err := ipc.NewReader(unbroken{in}, ipc.WithAllocator(s.arriving))
	if err != nil {
		return nil, wrapTaskGone(err)
	}
	mapping := s.req.Mapping()
	if s.req.OnBadRow != Quarantine {
		mapping.Keep = nil
	}
	if p.bind, err = model.Check(s.signature, reader.Schema(), mapping); err != nil {
		reader.Release()
		return nil, p.locate(err, batch{})
	}
	p.cut = int64(p.bind.WholeBatches(s.req.BatchSize))
	return reader, nil
}

// streamReader is the source of the rows that one of Spark's tasks brings. A batch is
// a record of the task's, of any number of rows.
type streamReader struct {
	reader *ipc.Reader
	rows   int64 // read so far
}

// next implements source.
func (s *streamReader) next(context.Context) (batch, error) {
	record, err := s.reader.Read()
	switch {
	case errors.Is(err, io.EOF):
		return batch{}, io.EOF
	case err != nil:
		return batch{}, wrapTaskGone(err)
	}
	record.Retain() // the reader's until its next call
	b := batch{record: record, first: s.rows}
	s.rows += record.NumRows()
	return b, nil
}

// noRows implements source: a stream that brought no record takes none.
func (s *streamReader) noRows() arrow.Record { return nil }

// close implements source.
func (s *streamReader) close() error {
	s.reader.Release()
	return nil
}

// streamWriter is the sink of what one of Spark's tasks takes back: for each record
// that it brought one of predictions.
type streamWriter struct {
	*pipeline
	digest string // of the model
	to     Stream
	w      *ipc.Writer // nil: there is no record yet
}

// arrange implements sink. Where bad rows are tolerated, the first column has the
// numbers of the predicted rows in the task's record.
func (s *streamWriter) arrange(b batch, outputs []arrow.Array, good []int64) (arrow.Record, error) {
	n := b.record.NumRows()
	if good != nil {
		n = int64(len(good))
	}
	if outputs == nil {
		outputs = emptyOutputs(s.mem, s.bind)
		defer release(outputs)
	}
	if !s.req.toleratesBadRows() {
		return s.joinOutputs(nil, nil, outputs, n), nil
	}
	if good == nil {
		good = rowsUpTo(n)
	}
	numbers := array.NewInt64Builder(s.mem)
	defer numbers.Release()
	numbers.AppendValues(good, nil)
	column := numbers.NewArray()
	defer column.Release()
	return s.joinOutputs([]arrow.Field{{Type: arrow.PrimitiveTypes.Int64}}, []arrow.Array{column}, outputs, n), nil
}

// write implements sink.
func (s *streamWriter) write(record arrow.Record) error {
	if s.w == nil {
		s.w = ipc.NewWriter(s.to, ipc.WithSchema(record.Schema()), ipc.WithAllocator(s.mem))
	}
	return wrapTaskGone(s.w.Write(record))
}

// finish implements sink. The end of the stream tells the task that it has all, and
// that its quarantine and its record are on disk: then it can have Spark commit.
func (s *streamWriter) finish(ctx context.Context) error {
	if s.w == nil {
		return nil
	}
	if err := s.writeRecord(ctx); err != nil {
		return err
	}
	return wrapTaskGone(s.w.Close())
}

// discard implements sink. What the task has taken is the task's.
func (s *streamWriter) discard() {}

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
