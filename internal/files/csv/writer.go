package csv

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

func (Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	d, err := newDialect(o.Options)
	if err != nil {
		return nil, err
	}
	for _, f := range schema.Fields() {
		if !jsontext.Holds(f.Type) {
			return nil, fmt.Errorf("files: write csv: column %q: %s: %w", f.Name, f.Type, codec.ErrType)
		}
	}
	packed, err := rowformat.Compressor(w, o.Compression, rowformat.Gzipped)
	if err != nil {
		return nil, fmt.Errorf("files: write csv: %w", err)
	}
	c := &writer{LineWriter: rowformat.NewLineWriter(codec.CSV, packed), dialect: d, columns: schema.NumFields()}
	if d.header {
		return c, c.writeHeader(schema)
	}
	return c, nil
}

type writer struct {
	rowformat.LineWriter
	dialect *dialect
	columns int
	line    []byte
	cell    []byte // scratch
}

func (w *writer) writeHeader(schema *arrow.Schema) error {
	for i, f := range schema.Fields() {
		if err := w.appendCell(i, []byte(f.Name)); err != nil {
			return w.Fail(f.Name, err)
		}
	}
	err := w.WriteLine(append(w.line, '\n'))
	w.Row = 0 // the header is not a row
	return err
}

// Write implements Writer.
func (w *writer) Write(record arrow.Record) error {
	columns := make([]jsontext.Encode, record.NumCols())
	for c := range columns {
		columns[c] = newEncode(record.Column(c))
	}
	for row := range int(record.NumRows()) {
		w.line = w.line[:0]
		for c, encode := range columns {
			if err := w.appendValue(record.Column(c), c, encode, row); err != nil {
				return w.Fail(record.ColumnName(c), err)
			}
		}
		if err := w.WriteLine(append(w.line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) appendValue(column arrow.Array, c int, encode jsontext.Encode, row int) (err error) {
	if column.IsNull(row) {
		return w.appendNull(column, c)
	}
	if w.cell, err = encode(w.cell[:0], row); err != nil {
		return err
	}
	return w.appendCell(c, w.cell)
}

// appendNull appends nullValue. In a file with one column an empty nullValue
// would make a blank line. It is then quoted, as pandas does, if the type has
// no empty string.
func (w *writer) appendNull(column arrow.Array, c int) error {
	w.appendSeparator(c)
	switch {
	case w.dialect.nullText != "" || w.columns > 1:
		w.line = append(w.line, w.dialect.nullText...)
	case arrays.Bytes(column) != nil:
		return errors.New("a null in a file's only column, which cannot be told from an empty string; set the option nullValue")
	default:
		w.line = append(w.line, `""`...)
	}
	return nil
}

func (w *writer) appendSeparator(c int) {
	if c > 0 {
		w.line = append(w.line, w.dialect.sep)
	}
}

func (w *writer) appendCell(c int, text []byte) error {
	w.appendSeparator(c)
	switch {
	case !w.dialect.multiLine && bytes.IndexByte(text, '\n') >= 0:
		return errors.New("a line end in a cell, which needs the option multiLine, to write and to read it")
	case w.dialect.mustQuote(text):
		w.line = w.dialect.quote(w.line, text)
	default:
		w.line = append(w.line, text...)
	}
	return nil
}

// newEncode returns the function that appends a value's text without quotes:
// the bytes of a string, base64 of binary, JSON of a list.
func newEncode(a arrow.Array) jsontext.Encode {
	switch a := a.(type) {
	case *array.String:
		return encodeText(func(i int) string { return a.Value(i) })
	case *array.LargeString:
		return encodeText(func(i int) string { return a.Value(i) })
	case *array.Float16:
		return encodeFloats(32, func(i int) float64 { return float64(a.Value(i).Float32()) })
	case *array.Float32:
		return encodeFloats(32, func(i int) float64 { return float64(a.Value(i)) })
	case *array.Float64:
		return encodeFloats(64, a.Value)
	}
	if value := arrays.Bytes(a); value != nil {
		return func(b []byte, i int) ([]byte, error) { return base64.StdEncoding.AppendEncode(b, value(i)), nil }
	}
	return jsontext.NewEncode(a)
}

func encodeText(value func(int) string) jsontext.Encode {
	return func(b []byte, i int) ([]byte, error) {
		if !utf8.ValidString(value(i)) {
			return nil, fmt.Errorf("the string %s is not UTF-8; make the column binary", arrays.Clip([]byte(value(i))))
		}
		return append(b, value(i)...), nil
	}
}

func encodeFloats(bits int, value func(int) float64) jsontext.Encode {
	return func(b []byte, i int) ([]byte, error) {
		if word := arrays.NonFiniteWord(value(i)); word != "" {
			return append(b, word...), nil
		}
		return arrays.FormatFloat(b, value(i), bits), nil
	}
}
