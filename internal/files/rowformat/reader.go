package rowformat

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// Passed implements Placed. It counts bytes.
func (r *Reader) Passed() float64 {
	return codec.Share(float64(r.Input.bytesPassed()), float64(r.Input.Length))
}

// Source appends the rows of a split, one by one, to a record's builders.
type Source interface {
	// AppendRow appends one value to each builder, and returns the row's size
	// in bytes. io.EOF means that the split has ended. After an error it is not
	// called again, except after an error that wraps a *Fault. It returns the
	// size with a *Fault too.
	AppendRow() (int, error)
	Close() error
}

// Reader implements codec.Reader for formats whose files store rows.
type Reader struct {
	Source   Source
	Input    *Input // the source's input
	schema   *arrow.Schema
	Builders []array.Builder
	maxRows  int // per record
	maxBytes int // bytes of the file per record
	err      error
	faults   *faults // nil: a bad row is an error
}

func NewReader(schema *arrow.Schema, o codec.ReadOptions) *Reader {
	r := &Reader{schema: schema, Builders: newBuilders(schema, o), maxRows: o.BatchRows, maxBytes: int(o.BatchBytes)}
	if o.BadRows {
		r.faults = newFaults(o.Memory, len(r.Builders))
	}
	return r
}

func newBuilders(schema *arrow.Schema, o codec.ReadOptions) []array.Builder {
	builders := make([]array.Builder, schema.NumFields())
	for i, f := range schema.Fields() {
		builders[i] = array.NewBuilder(o.Memory, f.Type)
	}
	return builders
}

// Schema implements Reader.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// BadRows returns the bad rows of the last record.
func (r *Reader) BadRows() []codec.BadRow {
	if r.faults == nil {
		return nil
	}
	return r.faults.bad
}

// Next implements Reader.
func (r *Reader) Next() (arrow.Record, error) {
	rows, size := 0, 0
	r.faults.beginRecord()
	for r.err == nil && rows < r.maxRows && size < r.maxBytes {
		var n int
		if n, r.err = r.Source.AppendRow(); r.err != nil {
			r.err = r.faults.appendBadRow(r.err, r.Builders, rows)
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

// record builds a record from the builders' rows, and reserves memory for
// another one of the same size.
func (r *Reader) record(rows int) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, len(r.Builders))
	defer func() { arrays.ReleaseArrays(columns) }()
	for i, b := range r.Builders {
		column, err := r.faults.joinColumn(i, b.NewArray())
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

// withType gives an array exactly the declared type. arrow/go's builders of
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

// reserve makes room in b for as many values as like has. Otherwise every
// record would grow its builders by doubling.
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
func (r *Reader) Close() error {
	for _, b := range r.Builders {
		b.Release()
	}
	r.faults.release()
	r.Builders, r.err = nil, io.ErrClosedPipe
	return r.Source.Close()
}
