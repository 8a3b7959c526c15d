package infer

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// columnReader reads chosen columns in batches that may cross row groups. It
// stands in for pqarrow's RecordReader, which reads on goroutines of its own,
// where a panic over a damaged file would end the process.
type columnReader struct {
	in      *input
	batch   int64
	readers []*pqarrow.ColumnReader
	schema  *arrow.Schema
	rows    int64 // read so far
	total   int64 // as the footer says
}

func (c *columnReader) open(ctx context.Context, names []string) error {
	groups := c.rowGroups()
	var fields []arrow.Field
	for _, name := range names {
		index := c.in.schema.FieldIndices(name)[0]
		reader, err := c.in.arrow.GetFieldReader(ctx, index, c.leaves(index), groups)
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		c.readers = append(c.readers, reader)
		fields = append(fields, *reader.Field())
	}
	c.schema = arrow.NewSchema(fields, nil)
	return nil
}

// rowGroups are those with rows.
func (c *columnReader) rowGroups() []int {
	var groups []int
	meta := c.in.file.MetaData()
	for i := range c.in.file.NumRowGroups() {
		if n := meta.RowGroup(i).NumRows(); n > 0 {
			groups = append(groups, i)
			c.total += n
		}
	}
	return groups
}

// leaves are the parquet columns that a field consists of.
func (c *columnReader) leaves(field int) map[int]bool {
	leaves := map[int]bool{}
	var add func(f *pqarrow.SchemaField)
	add = func(f *pqarrow.SchemaField) {
		if f.IsLeaf() {
			leaves[f.ColIndex] = true
		}
		for i := range f.Children {
			add(&f.Children[i])
		}
	}
	add(&c.in.arrow.Manifest.Fields[field])
	return leaves
}

// next returns the following rows, which are the caller's to release, and nil
// after the last. A file that ends before its footer says so is an error.
func (c *columnReader) next() (arrow.Record, error) {
	want := min(c.batch, c.total-c.rows)
	if want == 0 {
		return nil, nil
	}
	arrays := make([]arrow.Array, 0, len(c.readers))
	defer func() { release(arrays) }()
	for i, reader := range c.readers {
		var column arrow.Array
		err := guarded(func() (err error) { column, err = c.column(reader, want); return err })
		if err != nil {
			return nil, c.in.damaged(fmt.Errorf("rows from %d, column %s: %w", c.rows, c.schema.Field(i).Name, err))
		}
		arrays = append(arrays, column)
	}
	var record arrow.Record
	err := guarded(func() error { record = array.NewRecord(c.schema, arrays, want); return nil })
	if err != nil {
		return nil, c.in.damaged(err)
	}
	c.rows += want
	return record, nil
}

// column reads one column's next rows as one array, which is the caller's.
func (c *columnReader) column(reader *pqarrow.ColumnReader, rows int64) (arrow.Array, error) {
	chunked, err := reader.NextBatch(rows)
	if err != nil {
		return nil, err
	}
	defer chunked.Release()
	if int64(chunked.Len()) != rows {
		return nil, fmt.Errorf("%d rows are missing", rows-int64(chunked.Len()))
	}
	if len(chunked.Chunks()) == 1 {
		chunked.Chunk(0).Retain()
		return chunked.Chunk(0), nil
	}
	return array.Concatenate(chunked.Chunks(), c.in.mem)
}

func (c *columnReader) close() {
	for _, r := range c.readers {
		r.Release()
	}
}
