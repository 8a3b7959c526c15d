package jsonl

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/arrays"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

// source appends a split's lines to columns.
type source struct {
	rowformat.Lines
	schema *arrow.Schema
	// declared are the columns whose types were not guessed; nil: none
	declared   *arrow.Schema
	sampled    map[string]bool
	columns    []jsontext.Append
	appendNull func(column int)
	index      map[string]int
	seen       []bool // per column: whether the row has its key
	fault      *rowformat.Fault
	text       jsontext.Text
}

func (s *source) AppendRow() (int, error) {
	line, err := s.Next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.Fail(err)
	}
	if fault := s.appendObject(line); fault != nil {
		return len(line), s.Fail(fault)
	}
	return len(line), nil
}

func (s *source) appendObject(line []byte) *rowformat.Fault {
	clear(s.seen)
	s.fault = nil
	s.text.Bytes, s.text.At = line, 0
	if s.text.Next() != '{' {
		return notLinesFault(line, s.text.Unexpected("an object"))
	}
	err := s.text.Object(s.appendMember)
	if err == nil {
		err = s.text.End()
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
			return &rowformat.Fault{Column: f.Name, Reason: arrays.ErrNulls, Err: arrays.NullError(f.Name)}
		default:
			s.appendNull(i)
		}
	}
	return nil
}

func (s *source) appendMember(key []byte) error {
	i, wanted := s.index[string(key)]
	switch {
	case !wanted && s.sampled != nil && !s.sampled[string(key)] && s.text.Next() != 'n':
		return rowformat.UnsampledError("key", key)
	case !wanted:
		return s.text.Skip(0)
	case s.seen[i]:
		return fmt.Errorf("key %q occurs twice", key)
	}
	s.seen[i] = true
	s.text.Next()
	from := s.text.At
	err := s.columns[i](&s.text)
	if err == nil {
		return nil
	}
	s.text.At = from
	end := s.text.Skip(0) // the rest can be read if the value is valid JSON
	name, message := s.schema.Field(i).Name, err
	if end == nil && (s.declared == nil || !s.declared.HasField(name)) && arrays.TypeDDL(s.schema.Field(i).Type) != "string" {
		message = rowformat.WrongGuessError(err, s.schema.Field(i), s.text.Bytes[from:s.text.At])
	}
	s.fault = s.fault.AddColumn(i, &rowformat.Fault{Column: name, Reason: err, Err: fmt.Errorf("column %q: %w", name, message)})
	return end
}
