package files

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// rowSource appends the rows of a split, one by one, to a record's builders.
type rowSource interface {
	// appendRow appends one value to each builder and returns how many bytes
	// of the file it consumed. io.EOF: the split has ended. After another
	// error it is not called again, but for one that wraps a *rowFault, which
	// comes with the bytes.
	appendRow() (int, error)
	Close() error
}

// rowReader is a Reader of a format whose files hold rows, not columns.
type rowReader struct {
	source   rowSource
	in       *input // the source's
	schema   *arrow.Schema
	builders []array.Builder
	most     int // rows of a record
	room     int // bytes of the file, which may end it before
	err      error
	faults   *faults // nil: a bad row is an error
}

func newRowReader(schema *arrow.Schema, o ReadOptions) *rowReader {
	r := &rowReader{schema: schema, builders: newBuilders(schema, o), most: o.BatchRows, room: int(o.BatchBytes)}
	if o.BadRows {
		r.faults = newFaults(o.Memory, len(r.builders))
	}
	return r
}

func newBuilders(schema *arrow.Schema, o ReadOptions) []array.Builder {
	builders := make([]array.Builder, schema.NumFields())
	for i, f := range schema.Fields() {
		builders[i] = array.NewBuilder(o.Memory, f.Type)
	}
	return builders
}

// Schema implements Reader.
func (r *rowReader) Schema() *arrow.Schema { return r.schema }

// badRows are those of the last record.
func (r *rowReader) badRows() []BadRow {
	if r.faults == nil {
		return nil
	}
	return r.faults.bad
}

// Next implements Reader.
func (r *rowReader) Next() (arrow.Record, error) {
	rows, size := 0, 0
	r.faults.begin()
	for r.err == nil && rows < r.most && size < r.room {
		var n int
		if n, r.err = r.source.appendRow(); r.err != nil {
			r.err = r.faults.take(r.err, r.builders, rows)
		}
		if r.err == nil {
			rows++
			size += n
		}
	}
	if r.err != nil && (r.err != io.EOF || rows == 0) {
		return nil, r.err
	}
	return r.record(rows)
}

// record takes the builders' rows, and makes room for as many again.
func (r *rowReader) record(rows int) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, len(r.builders))
	defer func() { releaseArrays(columns) }()
	for i, b := range r.builders {
		column, err := r.faults.whole(i, b.NewArray())
		if err != nil {
			return nil, fmt.Errorf("files: column %q: %w", r.schema.Field(i).Name, err)
		}
		columns = append(columns, withType(column, r.schema.Field(i).Type))
		if r.err == nil {
			reserve(b, columns[i])
		}
	}
	return array.NewRecord(r.schema, columns, int64(rows)), nil
}

// withType gives an array exactly the declared type: arrow/go's builders of
// fixed-size lists forget whether elements may be null.
func withType(a arrow.Array, t arrow.DataType) arrow.Array {
	if arrow.TypeEqual(a.DataType(), t) {
		return a
	}
	d := a.Data()
	children := make([]arrow.ArrayData, len(d.Children()))
	copy(children, d.Children())
	data := array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
	defer data.Release()
	a.Release()
	return array.MakeFromData(data)
}

// reserve makes room in b for as much as like holds, so that a builder is not
// grown by doubling again for every record.
func reserve(b array.Builder, like arrow.Array) {
	b.Reserve(like.Len())
	switch b := b.(type) {
	case *array.StringBuilder:
		b.ReserveData(len(like.(*array.String).ValueBytes()))
	case *array.BinaryBuilder:
		switch like := like.(type) {
		case *array.Binary:
			b.ReserveData(len(like.ValueBytes()))
		case *array.LargeBinary:
			b.ReserveData(len(like.ValueBytes()))
		}
	case array.ListLikeBuilder:
		reserve(b.ValueBuilder(), like.(array.ListLike).ListValues())
	}
}

// Close implements Reader.
func (r *rowReader) Close() error {
	for _, b := range r.builders {
		b.Release()
	}
	r.faults.release()
	r.builders, r.err = nil, io.ErrClosedPipe
	return r.source.Close()
}

// The inference of a schema looks at this many rows or bytes, whichever is less,
// of the first files, a share of each.
const (
	sampleRows  = 1000
	sampleBytes = 16 << 20
	sampleFiles = 10
)

// unsampled is the error of a column that the inference did not meet.
func unsampled(kind string, name []byte) error {
	return fmt.Errorf("%s %q is in no sampled row: declare the schema", kind, name)
}

var errNulls = errors.New("null, and the schema declares that it has none")

// errNull is of a column that is declared to hold no null.
func errNull(name string) error {
	return fmt.Errorf("column %q: %w", name, errNulls)
}

// declare replaces the fields that the schema declares, and appends those that
// it alone has.
func declare(fields []arrow.Field, declared *arrow.Schema) []arrow.Field {
	if declared == nil {
		return fields
	}
	has := make(map[string]bool, len(fields))
	for i, f := range fields {
		has[f.Name] = true
		if known, ok := declared.FieldsByName(f.Name); ok {
			fields[i] = known[0]
		}
	}
	for _, f := range declared.Fields() {
		if !has[f.Name] {
			fields = append(fields, f)
		}
	}
	return fields
}
