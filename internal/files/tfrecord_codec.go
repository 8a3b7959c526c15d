package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// tfrecordCodec is TFRecord files of tf.Example and tf.SequenceExample.
type tfrecordCodec struct{}

func (tfrecordCodec) schema(ctx context.Context, list []store.Info, o ReadOptions) (*arrow.Schema, error) {
	if _, err := recordTypeOf(o.Options); err != nil {
		return nil, err
	}
	features := exampleFeatures{}
	s := newSample(list, o)
	for _, info := range list {
		if s.next() {
			break
		}
		if err := sampleExamples(ctx, s, info.Path, features, o); err != nil {
			return nil, err
		}
	}
	if len(features) == 0 && s.passed != nil {
		return nil, s.passed
	}
	return arrow.NewSchema(features.fields(o.Schema), nil), nil
}

// sample counts what an inference has looked at.
type sample struct {
	rows, bytes         int
	bad                 bool  // ReadOptions.BadRows
	passed              error // of the first row that was passed over
	fileRows, fileBytes int   // of the file at hand
	files               int   // among which a sample is shared
}

func newSample(list []store.Info, o ReadOptions) *sample {
	return &sample{files: min(len(list), sampleFiles), bad: o.BadRows}
}

// pass is nil where a row may be passed over for this error, else the error.
func (s *sample) pass(err error) error {
	if !s.bad || !errors.As(err, new(*rowFault)) {
		return err
	}
	if s.passed == nil {
		s.passed = err
	}
	return nil
}

func (s *sample) add(bytes int) {
	s.rows, s.bytes = s.rows+1, s.bytes+bytes
	s.fileRows, s.fileBytes = s.fileRows+1, s.fileBytes+bytes
}

// next begins a file; true: the sample is complete without it.
func (s *sample) next() bool {
	s.fileRows, s.fileBytes = 0, 0
	return s.rows >= sampleRows || s.bytes >= sampleBytes
}

// enough says whether the file at hand has given its share.
func (s *sample) enough() bool {
	return s.fileRows >= sampleRows/s.files || s.fileBytes >= sampleBytes/s.files
}

func sampleExamples(ctx context.Context, s *sample, path string, features exampleFeatures, o ReadOptions) (err error) {
	in, err := openInput(ctx, wholeFile(path), sniffFrames(o))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	f := frames{input: in}
	for row := int64(0); !s.enough(); row++ {
		data, err := f.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return in.fail(f.at, row, err)
		}
		s.add(len(data))
		if err := features.add(data, o.Schema, s.bad); err != nil {
			if err = s.pass(in.fail(f.at, row, wholeRow(err))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tfrecordCodec) starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error) {
	return textStarts(ctx, file.Path, sniffFrames(o))
}

// textStarts says where pieces of a file of lines or records may begin: that of
// a compressed one at its first byte only.
func textStarts(ctx context.Context, path string, sniff sniffer) ([]int64, error) {
	in, err := openInput(ctx, wholeFile(path), sniff)
	if err != nil {
		return nil, err
	}
	if in.compression == plain {
		return nil, in.Close()
	}
	return []int64{0}, in.Close()
}

func (tfrecordCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	r := newRowReader(schema, o)
	columns := make([]exampleColumn, schema.NumFields())
	for i, f := range schema.Fields() {
		var err error
		if columns[i], err = newExampleColumn(f, r.builders[i]); err != nil {
			return nil, fmt.Errorf("files: read %s: %w", s.Path, err)
		}
	}
	in, err := openInput(ctx, s, sniffFrames(o))
	if err != nil {
		return nil, err
	}
	source := &exampleSource{frames: frames{input: in}, columns: columns, sampled: o.known()}
	source.only, _ = recordTypeOf(o.Options) // schema has looked
	source.reset()
	r.source, r.in = source, in
	if s.Offset > 0 {
		if err := source.sync(); err != nil {
			return nil, errors.Join(in.fail(in.offset, -1, err), r.Close())
		}
	}
	return r, nil
}

// exampleSource appends a split's Examples to columns.
type exampleSource struct {
	frames
	columns []exampleColumn
	index   map[string]int // of columns by name
	sampled map[string]bool
	only    recordType
	found   []foundFeature // scratch: of each column in the record
	row     int64
}

// foundFeature is what a record has for a column, by part; nil: nothing.
type foundFeature [listsPart + 1][]byte

func (s *exampleSource) reset() {
	s.found = make([]foundFeature, len(s.columns))
	s.index = make(map[string]int, len(s.columns))
	for i, c := range s.columns {
		s.index[c.field.Name] = i
	}
}

func (s *exampleSource) appendRow() (int, error) {
	data, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.fail(s.at, s.row, err)
	}
	fault := s.appendExample(data)
	s.row++
	if fault != nil {
		return len(data), s.fail(s.at, s.row-1, fault)
	}
	return len(data), nil
}

// appendExample finds the wanted features first, as the last of a name counts,
// and then goes once over their lists.
func (s *exampleSource) appendExample(data []byte) (fault *rowFault) {
	clear(s.found)
	var unknown error
	err := eachFeature(data, func(p part, name, value []byte) error {
		i, wanted := s.index[string(name)]
		switch {
		case p == listsPart && s.only == recordExample:
			return fmt.Errorf("feature_lists, which a tf.Example has not: set the option recordType: %s", recordSequence)
		case wanted:
			s.found[i][p] = value
		case s.sampled != nil && !s.sampled[string(name)]:
			empty, err := isEmpty(p, value)
			if err == nil && !empty {
				unknown = unsampled("feature", name)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return wholeRow(err)
	}
	if unknown != nil {
		return wholeRow(unknown)
	}
	for i := range s.columns {
		if err := s.appendFeature(i); err != nil {
			f := &rowFault{column: s.columns[i].field.Name, reason: err, err: err}
			if u, ok := err.(undeclared); ok {
				f.reason = u.error
			}
			fault = fault.add(i, f)
		}
	}
	return fault
}

// appendFeature appends what the record has for a column.
func (s *exampleSource) appendFeature(i int) error {
	c, found := &s.columns[i], s.found[i]
	if found[listsPart] != nil {
		if found[contextPart] != nil {
			return fmt.Errorf("feature %q is in the context and in feature_lists", c.field.Name)
		}
		return c.appendSteps(found[listsPart])
	}
	k, list, err := featureList(found[contextPart])
	if err != nil {
		return fmt.Errorf("feature %q: %w", c.field.Name, err)
	}
	return c.append(k, list)
}

// isEmpty says whether a feature says nothing of its type.
func isEmpty(p part, value []byte) (bool, error) {
	if p == contextPart {
		k, _, err := featureList(value)
		return k == 0, err
	}
	empty := true
	_, err := eachStep(value, func(feature []byte) error {
		k, _, err := featureList(feature)
		empty = empty && k == 0
		return err
	})
	return empty, err
}

func (tfrecordCodec) create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	only, err := recordTypeOf(o.Options)
	if err != nil {
		return nil, err
	}
	encoder, err := newExampleEncoder(schema, only == recordSequence)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	packed, err := compressor(w, o.Compression, gzipped, zlibPacked)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	buffer := bufio.NewWriterSize(packed, streamBytes)
	return &exampleWriter{frames: frameWriter{w: buffer}, encoder: encoder, buffer: buffer, packed: packed}, nil
}

// exampleWriter writes one file.
type exampleWriter struct {
	frames  frameWriter
	encoder *exampleEncoder
	buffer  *bufio.Writer
	packed  io.WriteCloser
	row     int64
}

// Write implements Writer.
func (e *exampleWriter) Write(record arrow.Record) error {
	for i := range int(record.NumRows()) {
		data, err := e.encoder.encode(record, i)
		if err == nil {
			err = e.frames.write(data)
		}
		if err != nil {
			return fmt.Errorf("files: write tfrecord: row %d: %w", e.row, err)
		}
		e.row++
	}
	return nil
}

// Close implements Writer.
func (e *exampleWriter) Close() error {
	if err := errors.Join(e.buffer.Flush(), e.packed.Close()); err != nil {
		return fmt.Errorf("files: write tfrecord: %w", err)
	}
	return nil
}
