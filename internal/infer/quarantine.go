package infer

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/feed/files"
	"tfos/internal/store"
)

// QuarantineFolder is in the output folder. Readers of that pass over names that
// begin with "_".
const QuarantineFolder = "_quarantine"

// QuarantineColumns are the first columns of a quarantine file; the kept ones
// follow. What they hold BadRow says.
var QuarantineColumns = []string{"file", "offset", "row", "column", "reason"}

// quarantine is the file of a split's bad rows: parquet, whatever the output is.
// There is none before the first row.
type quarantine struct {
	out  *output
	w    files.Writer
	rows int64
}

// add writes a batch's bad rows.
func (q *quarantine) add(ctx context.Context, p *pipeline, c computed) error {
	record := p.quarantined(c)
	defer record.Release()
	if q.w == nil {
		folder := p.req.Output + "/" + QuarantineFolder
		if err := makeFolder(ctx, folder); err != nil {
			return err
		}
		out, err := createOutput(ctx, p.create, folder, fmt.Sprintf("part-%05d%s", p.split.ID, files.Parquet.Extension()))
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

// quarantined is a batch's bad rows as the file has them.
func (p *pipeline) quarantined(c computed) arrow.Record {
	text := func(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.BinaryTypes.String} }
	number := func(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64} }
	names := QuarantineColumns
	fields := []arrow.Field{text(names[0]), number(names[1]), number(names[2]), text(names[3]), text(names[4])}
	facts := array.NewRecordBuilder(p.mem, arrow.NewSchema(fields, nil))
	defer facts.Release()
	for _, bad := range c.bad {
		facts.Field(0).(*array.StringBuilder).Append(bad.File)
		facts.Field(1).(*array.Int64Builder).Append(bad.Offset)
		facts.Field(2).(*array.Int64Builder).Append(bad.Row)
		facts.Field(3).(*array.StringBuilder).Append(bad.Column)
		facts.Field(4).(*array.StringBuilder).Append(bad.Reason)
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

// close completes the file's content.
func (q *quarantine) close() error {
	if q.w == nil {
		return nil
	}
	return q.w.Close()
}

// commit gives the file its name, when there is one.
func (q *quarantine) commit() (*QuarantineFile, error) {
	if q.out == nil {
		return nil, nil
	}
	sum, err := q.out.commit()
	if err != nil {
		return nil, err
	}
	return &QuarantineFile{Output: QuarantineFolder + "/" + q.out.name, Rows: q.rows, SHA256: sum}, nil
}

// discard removes the file, committed or not.
func (q *quarantine) discard(ctx context.Context) error {
	if q.out == nil {
		return nil
	}
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
