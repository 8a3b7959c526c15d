package files

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// inFiles returns the columns of a schema that stand in files.
func (f folders) inFiles(schema *arrow.Schema) *arrow.Schema {
	var fields []arrow.Field
	for _, field := range schema.Fields() {
		if f.at(field.Name) < 0 {
			fields = append(fields, field)
		}
	}
	return arrow.NewSchema(fields, nil)
}

// read opens a split. It adds the columns that stand in the names of the file's
// folders.
func (f folders) read(ctx context.Context, c codec.Codec, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	own := f.inFiles(schema)
	if own.NumFields() == schema.NumFields() {
		return c.Open(ctx, s, schema, o)
	}
	values, err := f.values(s.Path)
	if err != nil {
		return nil, err
	}
	r := &folderReader{schema: schema, mem: o.Memory, columns: make([]folderColumn, schema.NumFields())}
	next := 0
	for i, field := range schema.Fields() {
		at := f.at(field.Name)
		if at < 0 {
			r.columns[i].inFile, next = next, next+1
			continue
		}
		if r.columns[i].value, err = folderArray(o.Memory, values[at], field.Type, f.zone); err != nil {
			r.releaseValues()
			return nil, &Error{Path: s.Path, Offset: -1, Row: -1, Err: errors.New("column " + field.Name + ", from its folder: " + err.Error())}
		}
	}
	if r.Reader, err = c.Open(ctx, s, own, o); err != nil {
		r.releaseValues()
		return nil, err
	}
	return r, nil
}

// folderReader adds the columns in folder names to the rows of a file.
type folderReader struct {
	Reader  // reads the file's own columns
	schema  *arrow.Schema
	mem     memory.Allocator
	columns []folderColumn
}

// folderColumn says where a column comes from: the file, or a folder name.
type folderColumn struct {
	inFile int         // index among the file's columns; used if value is nil
	value  arrow.Array // the folder's value, repeated for the longest batch so far
}

// Schema implements Reader.
func (r *folderReader) Schema() *arrow.Schema { return r.schema }

// Next implements Reader.
func (r *folderReader) Next() (arrow.Record, error) {
	record, err := r.Reader.Next()
	if err != nil {
		return nil, err
	}
	defer record.Release()
	n := record.NumRows()
	columns := make([]arrow.Array, 0, len(r.columns))
	defer func() { arrays.ReleaseArrays(columns) }()
	for i := range r.columns {
		c := &r.columns[i]
		if c.value == nil {
			column := record.Column(c.inFile)
			column.Retain()
			columns = append(columns, column)
			continue
		}
		if c.value.Len() < int(n) {
			more, err := repeatValue(r.mem, c.value, int(n))
			if err != nil {
				return nil, err
			}
			c.value.Release()
			c.value = more
		}
		columns = append(columns, array.NewSlice(c.value, 0, n))
	}
	return array.NewRecord(r.schema, columns, n), nil
}

// Passed implements Placed.
func (r *folderReader) Passed() float64 {
	if placed, ok := r.Reader.(Placed); ok {
		return placed.Passed()
	}
	return 0
}

// Close implements Reader.
func (r *folderReader) Close() error {
	r.releaseValues()
	return r.Reader.Close()
}

func (r *folderReader) releaseValues() {
	for i := range r.columns {
		if v := r.columns[i].value; v != nil {
			v.Release()
			r.columns[i].value = nil
		}
	}
}

// fileReaderOf returns the reader of the file's own columns.
func fileReaderOf(r Reader) Reader {
	if folders, ok := r.(*folderReader); ok {
		return folders.Reader
	}
	return r
}
