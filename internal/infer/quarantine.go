package infer

import (
	"context"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files"
	"tfos/internal/store"
)

// QuarantineFolder is in the output folder. Readers of that pass over names that
// begin with "_".
const QuarantineFolder = "_quarantine"

// QuarantineColumns are the first columns of a quarantine file; the kept ones
// follow. What they hold BadRow says.
var QuarantineColumns = []string{"file", "offset", "row", "column", "reason"}

// PartitionColumns are the QuarantineColumns of rows that Spark brings: their file is
// not known.
var PartitionColumns = []string{"partition", "row", "column", "reason"}

// QuarantineName is the name of the quarantine file of a split, or of one of
// Spark's partitions, which has no tag.
func QuarantineName(id int, tag string) string { return PartName(id, tag, files.Parquet) }

// quarantineWriter writes the file of the bad rows of a split, or of an attempt at a
// partition. The file is parquet, whatever the output is. It is created with the
// first bad row.
type quarantineWriter struct {
	in   string // the folder that QuarantineFolder is in
	name string
	out  *output
	w    files.Writer
	rows int64
}

// addBadRows writes a batch's bad rows.
func (q *quarantineWriter) addBadRows(ctx context.Context, p *pipeline, c computed) error {
	record := p.quarantineRecord(c)
	defer record.Release()
	if q.w == nil {
		folder := q.in + "/" + QuarantineFolder
		if err := makeFolder(ctx, folder); err != nil {
			return err
		}
		out, err := createOutput(ctx, p.create, folder, q.name)
		if err != nil {
			return err
		}
		q.out = out
		if q.w, err = files.NewWriter(files.Parquet, out, record.Schema(), files.WriteOptions{Memory: p.mem}); err != nil {
			return p.writeError(err)
		}
	}
	q.rows += record.NumRows()
	if err := q.w.Write(record); err != nil {
		return p.writeError(err)
	}
	return nil
}

// quarantineRecord returns a batch's bad rows as a record of the quarantine file.
func (p *pipeline) quarantineRecord(c computed) arrow.Record {
	fields := quarantineFields(p.from.Partition != nil)
	facts := array.NewRecordBuilder(p.mem, arrow.NewSchema(fields, nil))
	defer facts.Release()
	for _, bad := range c.bad {
		for i, value := range bad.facts() {
			switch b := facts.Field(i).(type) {
			case *array.StringBuilder:
				b.Append(value.(string))
			case *array.Int64Builder:
				b.Append(value.(int64))
			}
		}
	}
	record := facts.NewRecord()
	defer record.Release()
	columns := append([]arrow.Array{}, record.Columns()...)
	for i, name := range p.bind.Keep {
		fields = append(fields, arrow.Field{Name: name, Type: c.kept[i].DataType(), Nullable: true})
		columns = append(columns, c.kept[i])
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, int64(len(c.bad)))
}

// facts returns a bad row's values of QuarantineColumns or PartitionColumns.
func (b *BadRow) facts() []any {
	if b.Partition != nil {
		return []any{int64(*b.Partition), b.Row, b.Column, b.Reason}
	}
	return []any{b.File, b.Offset, b.Row, b.Column, b.Reason}
}

// quarantineFields are the columns for facts.
func quarantineFields(bySpark bool) []arrow.Field {
	names := QuarantineColumns
	if bySpark {
		names = PartitionColumns
	}
	var fields []arrow.Field
	for _, name := range names {
		f := arrow.Field{Name: name, Type: arrow.BinaryTypes.String}
		if slices.Contains([]string{"offset", "partition", "row"}, name) {
			f.Type = arrow.PrimitiveTypes.Int64
		}
		fields = append(fields, f)
	}
	return fields
}

// close completes the file's content. It does nothing a second time.
func (q *quarantineWriter) close() error {
	if q.w == nil {
		return nil
	}
	w := q.w
	q.w = nil
	return w.Close()
}

// commit gives the file its final name. Without a file it returns nil.
func (q *quarantineWriter) commit() (*QuarantineFile, error) {
	if q.out == nil {
		return nil, nil
	}
	sum, err := q.out.commit()
	if err != nil {
		return nil, err
	}
	return &QuarantineFile{Output: QuarantineFolder + "/" + q.out.name, Rows: q.rows, SHA256: sum}, nil
}

// discard removes the file, committed or not, and releases what it holds.
func (q *quarantineWriter) discard(ctx context.Context) error {
	if q.out == nil {
		return nil
	}
	_ = q.close() // the run has failed already
	q.out.discard()
	st, err := store.For(q.out.path)
	if err == nil {
		err = st.Remove(context.WithoutCancel(ctx), q.out.path)
	}
	if err != nil {
		return q.out.failed(err)
	}
	return nil
}
