package jsonl

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

func (Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	if err := codec.NoOptions(codec.JSON, o.Options); err != nil {
		return nil, err
	}
	for _, f := range schema.Fields() {
		if !jsontext.Holds(f.Type) {
			return nil, fmt.Errorf("files: write json: column %q: %s: %w", f.Name, f.Type, codec.ErrType)
		}
	}
	packed, err := rowformat.Compressor(w, o.Compression, rowformat.Gzipped)
	if err != nil {
		return nil, fmt.Errorf("files: write json: %w", err)
	}
	return &writer{LineWriter: rowformat.NewLineWriter(codec.JSON, packed)}, nil
}

// writer writes one file. It writes nulls, so that a column of only nulls is
// still a column.
type writer struct {
	rowformat.LineWriter
	line []byte
}

// Write implements Writer.
func (w *writer) Write(record arrow.Record) error {
	columns := make([]jsontext.Encode, record.NumCols())
	names := make([][]byte, len(columns))
	for c := range columns {
		columns[c] = jsontext.NewEncode(record.Column(c))
		var err error
		if names[c], err = jsontext.Quote(nil, record.ColumnName(c)); err != nil {
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
				return w.Fail(record.ColumnName(c), err)
			}
		}
		if err := w.WriteLine(append(w.line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}
