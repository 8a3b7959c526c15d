package infer

import (
	"context"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/model"
)

// pipelineDepth is the batches that wait between two stages of a split.
const pipelineDepth = 2

// predictSplit writes the file of one split's predictions.
func (r *splitsRun) predictSplit(ctx context.Context, s Split) error {
	data, bind, err := r.splitColumns(ctx, s)
	if err != nil {
		return err
	}
	out, err := createOutput(ctx, r.create, r.request.Output, PartName(s.ID, r.request.Tag, r.request.Format))
	if err != nil {
		return err
	}
	p := &pipeline{
		run: &r.run, bind: bind, depth: pipelineDepth, from: BadRow{File: s.Path, Offset: s.Offset},
		quarantine: quarantineWriter{in: r.request.Output, name: QuarantineName(s.ID, r.request.Tag)},
	}
	p.source = &splitReader{split: s, data: data, clock: &p.clocks.read, whole: batchRegrouper{mem: p.mem, size: max(1, bind.Batch)}}
	part := &partFile{pipeline: p, format: r.request.Format, identity: r.identity, split: s, out: out}
	p.sink = part
	if err := p.runStages(ctx); err != nil {
		return err
	}
	r.tally.addSplit(part.result, s.Length-p.bytes, p.clocks)
	return nil
}

// splitReader is the source of a split's rows, in batches that are whole ones of the
// model's but for the last.
type splitReader struct {
	split  Split
	data   *files.Dataset
	clock  *time.Duration // of reading
	whole  batchRegrouper
	reader files.Reader // nil: it is not open yet
	ended  bool         // the reader has no more
	rows   int64        // read so far
	passed int64        // bytes of the split that they take
}

// next implements source.
func (s *splitReader) next(ctx context.Context) (batch, error) {
	for !s.ended {
		start := time.Now()
		b, err := s.nextRecord(ctx)
		if err == io.EOF {
			s.ended = true
			if rest, ok := s.whole.takeRest(); ok {
				return rest, nil
			}
			break
		}
		if err != nil {
			return batch{}, failed(s.split.Path, err)
		}
		*s.clock += time.Since(start)
		if whole, ok, err := s.whole.addBatch(b); ok || err != nil {
			return whole, err
		}
	}
	return batch{}, io.EOF
}

// nextRecord reads the next record of the file.
func (s *splitReader) nextRecord(ctx context.Context) (_ batch, err error) {
	if s.reader == nil {
		if s.reader, err = s.data.Read(ctx, s.split.Split); err != nil {
			return batch{}, err
		}
	}
	record, err := s.reader.Next()
	if err != nil {
		return batch{}, err
	}
	b := batch{record: record, bad: files.Bad(s.reader)}
	first, ofFile := files.FirstRow(s.reader)
	b.first, b.inSplit = first+s.rows, !ofFile
	s.rows += record.NumRows()
	if placed, ok := s.reader.(files.Placed); ok {
		b.bytes = int64(placed.Passed()*float64(s.split.Length)) - s.passed
		s.passed += b.bytes
	}
	return b, nil
}

// noRows implements source: a split without good rows has a file with the columns
// that the others have.
func (s *splitReader) noRows() arrow.Record { return s.data.NoRows() }

// close implements source.
func (s *splitReader) close() error {
	if b, ok := s.whole.takeRest(); ok { // after an error
		b.release()
	}
	if s.reader == nil {
		return nil
	}
	return s.reader.Close()
}

// partFile is the sink of a split's predictions: a file of the request's format. Its
// columns are those of the first record, the kept ones and then the outputs.
type partFile struct {
	*pipeline
	format   files.Format
	identity Identity // of all parts
	split    Split
	out      *output
	w        files.Writer // nil: there is no record yet, or it is closed
	result   SplitResult  // valid after finish
}

// arrange implements sink.
func (f *partFile) arrange(b batch, outputs []arrow.Array, good []int64) (arrow.Record, error) {
	if outputs == nil {
		return nil, nil
	}
	kept, err := f.keptColumns(b.record, good)
	defer release(kept)
	if err != nil {
		return nil, err
	}
	n := b.record.NumRows()
	if good != nil {
		n = int64(len(good))
	}
	var fields []arrow.Field
	for _, name := range f.bind.Keep {
		fields = append(fields, b.record.Schema().Field(b.record.Schema().FieldIndices(name)[0]))
	}
	return f.joinOutputs(fields, kept[:len(kept):len(kept)], outputs, n), nil
}

// write implements sink.
func (f *partFile) write(record arrow.Record) (err error) {
	if f.w == nil {
		f.w, err = files.NewWriter(f.format, f.out, record.Schema(), files.WriteOptions{Memory: f.mem, Distinct: floating(f.bind, record.Schema())})
	}
	if err == nil {
		err = f.w.Write(record)
	}
	if err != nil {
		return f.writeError(err)
	}
	return nil
}

// finish implements sink. There has been a record.
func (f *partFile) finish(ctx context.Context) error {
	if err := f.closeWriter(); err != nil {
		return f.writeError(err)
	}
	s := f.split
	f.result = SplitResult{
		PartInfo: PartInfo{ID: s.ID, Account: f.rows, Run: f.req.Run, Quarantine: f.quarantineFile, FirstBad: f.first},
		Input:    s.Path, Offset: s.Offset, Length: s.Length, Output: f.out.name, Stamp: s.Stamp,
	}
	var err error
	if f.result.SHA256, err = f.out.commit(); err != nil {
		return err
	}
	f.result.Bytes = f.out.bytes
	return f.writeRecord(ctx, f.out.name, Record{f.identity, f.result})
}

func (f *partFile) closeWriter() error {
	if f.w == nil {
		return nil
	}
	w := f.w
	f.w = nil
	return w.Close()
}

// discard implements sink.
func (f *partFile) discard() {
	_ = f.closeWriter() // the run has failed already
	f.out.discard()
}

// floating returns the columns of outputs of floating types.
func floating(bind *model.Binding, schema *arrow.Schema) []string {
	var names []string
	for i, out := range bind.Outputs {
		t := schema.Field(len(bind.Keep) + i).Type
		for nested, ok := t.(arrow.ListLikeType); ok; nested, ok = t.(arrow.ListLikeType) {
			t = nested.Elem()
		}
		if arrow.IsFloating(t.ID()) {
			names = append(names, out.Column)
		}
	}
	return names
}
