package arrowipc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// reader cuts the record batches of a split into records.
type reader struct {
	source   *codec.Source
	messages *messages
	stream   *ipc.Reader
	mem      memory.Allocator
	schema   *arrow.Schema
	columns  []int // indexes in the file, in the schema's order
	maxRows  int64
	maxBytes int64        // bytes of a record, at most
	record   arrow.Record // being cut; nil: read the next one
	at, step int64        // rows of record already returned, and rows per returned record
	rows     int64        // rows of the split returned so far
}

func openReader(ctx context.Context, s codec.Split, o codec.ReadOptions) (*reader, error) {
	src, err := codec.OpenSource(ctx, s)
	if err != nil {
		return nil, err
	}
	mem := o.Memory
	r := &reader{source: src, mem: mem}
	err = codec.RecoverPanic(func() (err error) {
		if r.messages, err = openMessages(src, s, mem); err == nil {
			r.stream, err = ipc.NewReaderFromMessageReader(r.messages, ipc.WithAllocator(boundedAllocator{mem}))
		}
		return err
	})
	if err != nil {
		if other := src.Refuse(codec.Arrow, o); other != nil {
			err = other
		}
		return nil, errors.Join(r.error(err), r.Close())
	}
	return r, nil
}

func (r *reader) error(err error) error {
	offset := int64(-1)
	if r.messages != nil {
		offset = r.messages.start
	}
	return r.source.Fail(offset, -1, fmt.Errorf("not a readable Arrow file: %w", err))
}

func (r *reader) plainSchema() *arrow.Schema {
	var fields []arrow.Field
	for _, f := range r.stream.Schema().Fields() {
		fields = append(fields, arrays.PlainField(f))
	}
	return arrow.NewSchema(fields, nil)
}

// findColumns finds the wanted columns in the file.
func (r *reader) findColumns() error {
	found := r.stream.Schema()
	for _, f := range r.schema.Fields() {
		i, err := codec.FindColumn(found, f.Name)
		if err != nil {
			return err
		}
		r.columns = append(r.columns, i)
	}
	return nil
}

func (r *reader) FirstRow() int64 { return r.messages.rowsBefore }

func (r *reader) Schema() *arrow.Schema { return r.schema }

func (r *reader) Next() (arrow.Record, error) {
	for r.record == nil || r.at == r.record.NumRows() {
		if err := r.readBatch(); err != nil {
			return nil, err
		}
	}
	end := min(r.at+r.step, r.record.NumRows())
	part := r.record.NewSlice(r.at, end)
	defer part.Release()
	columns := make([]arrow.Array, 0, len(r.columns))
	defer func() { arrays.ReleaseArrays(columns) }()
	for i, c := range r.columns {
		var a arrow.Array
		err := codec.RecoverPanic(func() (err error) {
			a, err = arrays.CastField(r.mem, part.Column(c), r.schema.Field(i))
			return err
		})
		if err != nil {
			return nil, r.source.Fail(r.messages.start, r.rows, fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err))
		}
		columns = append(columns, a)
	}
	r.rows += end - r.at
	r.at = end
	return array.NewRecord(r.schema, columns, part.NumRows()), nil
}

// readBatch reads the next record batch; io.EOF: there is none.
func (r *reader) readBatch() error {
	r.releaseRecord()
	err := codec.RecoverPanic(func() error {
		if !r.stream.Next() {
			if err := r.stream.Err(); err != nil {
				return err
			}
			return io.EOF
		}
		return checkRecord(r.stream.Record())
	})
	if err == io.EOF {
		return err
	}
	if err != nil {
		return r.error(err)
	}
	r.record = r.stream.Record()
	r.record.Retain()
	r.at = 0
	mean := r.messages.body / max(1, r.record.NumRows())
	r.step = max(1, min(r.maxRows, r.maxBytes/max(1, mean)))
	return nil
}

func (r *reader) releaseRecord() {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
}

func (r *reader) Close() error {
	r.releaseRecord()
	if r.stream != nil {
		r.stream.Release()
	} else if r.messages != nil {
		r.messages.Release()
	}
	return r.source.Close()
}

// Passed implements Placed. It counts the bytes before the current batch, and
// the batch's bytes in proportion to its returned rows.
func (r *reader) Passed() float64 {
	if r.record == nil { // before the first batch, or after the last
		return codec.Share(float64(r.rows), float64(r.rows))
	}
	m := r.messages
	begin, end := m.split.Offset, min(m.end, codec.EndOf(m.split))
	cut := codec.Share(float64(r.at), float64(r.record.NumRows()))
	return codec.Share(float64(m.start-begin)+cut*float64(m.at-m.start), float64(end-begin))
}
