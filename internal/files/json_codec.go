package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// jsonCodec is JSON lines: one object a line. Blank lines are no rows.
type jsonCodec struct{}

const jsonSpace = " \t\r\n"

func (jsonCodec) extensions() []string { return []string{".json", ".jsonl", ".ndjson"} }

func (jsonCodec) begins([]byte) bool { return false }

func (jsonCodec) schema(ctx context.Context, list []store.Info, o ReadOptions) (*arrow.Schema, error) {
	if err := noOptions(JSON, o.Options); err != nil {
		return nil, err
	}
	columns := jsonColumns{shapes: map[string]*jsonShape{}}
	s := newSample(list, o)
	for _, info := range list {
		if s.next() {
			break
		}
		if err := sampleObjects(ctx, s, info.Path, &columns, o); err != nil {
			return nil, err
		}
	}
	if len(columns.names) == 0 && s.passed != nil {
		return nil, s.passed
	}
	return arrow.NewSchema(declare(columns.fields(), o.Schema), nil), nil
}

func sampleObjects(ctx context.Context, s *sample, path string, columns *jsonColumns, o ReadOptions) (err error) {
	in, err := openInput(ctx, wholeFile(path), sniffText(o))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	rows := textRows{input: in, space: jsonSpace}
	for !s.enough() {
		line, err := rows.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return rows.fail(err)
		}
		s.add(len(line))
		if err := isObject(line); err != nil {
			if err = s.pass(rows.fail(wholeRow(err))); err != nil {
				return err
			}
			continue
		}
		if err := columns.add(&jsonText{b: line}); err != nil {
			return rows.fail(err)
		}
	}
	return nil
}

// isObject looks at a whole line, so that none is sampled in part.
func isObject(line []byte) error {
	t := jsonText{b: line}
	if t.next() != '{' {
		return notLines(line, t.unexpected("an object"))
	}
	if err := t.skip(0); err != nil {
		return notLines(line, err)
	}
	return t.end()
}

// notLinesFault is the fault of a line that is no row.
func notLinesFault(line []byte, err error) *rowFault {
	return &rowFault{reason: err, err: notLines(line, err)}
}

// notLines says of JSON that is not one object a line how to make lines of it.
func notLines(line []byte, err error) error {
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")):
		return fmt.Errorf("a JSON array, where each line must be an object (JSON lines): make lines of it, as by jq -c '.[]': %w", err)
	case errors.Is(err, errJSONEnd):
		return fmt.Errorf("the object does not end on its line, where each line must be an object (JSON lines): make lines of it, as by jq -c .: %w", err)
	}
	return err
}

func (jsonCodec) starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error) {
	return textStarts(ctx, file.Path, sniffText(o))
}

func (jsonCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	r := newRowReader(schema, o)
	source := &jsonSource{index: map[string]int{}, schema: schema, declared: o.Schema, sampled: o.known(), seen: make([]bool, schema.NumFields())}
	for i, f := range schema.Fields() {
		value, err := newJSONAppend(r.builders[i], f)
		if err != nil {
			return nil, fmt.Errorf("files: read %s: column %q: %w", s.Path, f.Name, err)
		}
		source.columns = append(source.columns, value)
		source.index[f.Name] = i
	}
	source.missing = func(i int) { r.builders[i].AppendNull() }
	in, err := openLines(ctx, s, o)
	if err != nil {
		return nil, err
	}
	source.textRows = textRows{input: in, space: jsonSpace}
	r.source, r.in = source, in
	return r, nil
}

// jsonSource appends a split's lines to columns.
type jsonSource struct {
	textRows
	schema *arrow.Schema
	// declared are columns whose types were not guessed; nil: none
	declared *arrow.Schema
	sampled  map[string]bool
	columns  []jsonAppend
	missing  func(column int)
	index    map[string]int
	seen     []bool // of the row's columns
	fault    *rowFault
	text     jsonText
}

func (s *jsonSource) appendRow() (int, error) {
	line, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.fail(err)
	}
	if fault := s.appendObject(line); fault != nil {
		return len(line), s.fail(fault)
	}
	return len(line), nil
}

func (s *jsonSource) appendObject(line []byte) *rowFault {
	clear(s.seen)
	s.fault = nil
	s.text.b, s.text.i = line, 0
	if s.text.next() != '{' {
		return notLinesFault(line, s.text.unexpected("an object"))
	}
	err := s.text.object(s.member)
	if err == nil {
		err = s.text.end()
	}
	switch {
	case s.fault != nil:
		return s.fault
	case err != nil:
		return notLinesFault(line, err)
	}
	for i, seen := range s.seen {
		switch f := s.schema.Field(i); {
		case seen:
		case !f.Nullable:
			return &rowFault{column: f.Name, reason: errNulls, err: errNull(f.Name)}
		default:
			s.missing(i)
		}
	}
	return nil
}

func (s *jsonSource) member(key []byte) error {
	i, wanted := s.index[string(key)]
	switch {
	case !wanted && s.sampled != nil && !s.sampled[string(key)] && s.text.next() != 'n':
		return unsampled("key", key)
	case !wanted:
		return s.text.skip(0)
	case s.seen[i]:
		return fmt.Errorf("key %q occurs twice", key)
	}
	s.seen[i] = true
	s.text.next()
	from := s.text.i
	err := s.columns[i](&s.text)
	if err == nil {
		return nil
	}
	s.text.i = from
	end := s.text.skip(0) // what follows can be read, if this is JSON
	name, told := s.schema.Field(i).Name, err
	if end == nil && (s.declared == nil || !s.declared.HasField(name)) && ddlType(s.schema.Field(i).Type) != "string" {
		told = guessWrong(err, s.schema.Field(i), s.text.b[from:s.text.i])
	}
	s.fault = s.fault.add(i, &rowFault{column: name, reason: err, err: fmt.Errorf("column %q: %w", name, told)})
	return end
}

func (jsonCodec) create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	if err := noOptions(JSON, o.Options); err != nil {
		return nil, err
	}
	for _, f := range schema.Fields() {
		if !jsonHolds(f.Type) {
			return nil, fmt.Errorf("files: write json: column %q: %s: %w", f.Name, f.Type, ErrType)
		}
	}
	packed, err := compressor(w, o.Compression, gzipped)
	if err != nil {
		return nil, fmt.Errorf("files: write json: %w", err)
	}
	return &jsonWriter{lineWriter: newLineWriter(JSON, packed)}, nil
}

// jsonWriter writes one file. Nulls are written, so that a column of nothing
// else is still a column.
type jsonWriter struct {
	lineWriter
	line []byte
}

// Write implements Writer.
func (w *jsonWriter) Write(record arrow.Record) error {
	columns := make([]jsonEncode, record.NumCols())
	names := make([][]byte, len(columns))
	for c := range columns {
		columns[c] = newJSONEncode(record.Column(c))
		var err error
		if names[c], err = quoteJSON(nil, record.ColumnName(c)); err != nil {
			return fmt.Errorf("files: write json: column %d: its name: %w", c, err)
		}
	}
	for row := range int(record.NumRows()) {
		w.line = append(w.line[:0], '{')
		for c, encode := range columns {
			if c > 0 {
				w.line = append(w.line, ',')
			}
			w.line = append(append(w.line, names[c]...), ':')
			var err error
			if w.line, err = encode(w.line, row); err != nil {
				return w.fail(record.ColumnName(c), err)
			}
		}
		if err := w.writeLine(append(w.line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}
