package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/store"
)

// arrowCodec reads both forms of Arrow IPC. Both are messages; the file form
// has a footer that says where they are. Files are written in the file form.
//
// Files are split at record batches. A reader looks at the metadata of all
// messages and reads the bodies of its own.
//
// Dictionaries, views, runs, 64-bit offsets and extension types come as plain
// values. A stream without its end mark is taken for a truncated file.
type arrowCodec struct{}

func (arrowCodec) extensions() []string {
	return []string{".arrow", ".arrows", ".feather", ".ipc"}
}

func (arrowCodec) begins(head []byte) bool {
	return bytes.HasPrefix(head, []byte(arrowMagic)) || bytes.HasPrefix(head, []byte(featherMagic))
}

func (arrowCodec) schema(ctx context.Context, files []store.Info, o ReadOptions) (*arrow.Schema, error) {
	if err := noOptions(Arrow, o.Options); err != nil {
		return nil, err
	}
	r, err := openArrow(ctx, Split{Path: files[0].Path}, o)
	if err != nil {
		return nil, err
	}
	found := r.fields()
	if err := r.Close(); err != nil {
		return nil, err
	}
	return declared(files[0].Path, found, o)
}

func (arrowCodec) starts(context.Context, store.Info, ReadOptions) ([]int64, error) { return nil, nil }

func (arrowCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	r, err := openArrow(ctx, s, o)
	if err != nil {
		return nil, err
	}
	r.schema, r.most, r.room = schema, int64(o.BatchRows), o.BatchBytes
	if err := r.match(); err != nil {
		return nil, errors.Join(r.error(err), r.Close())
	}
	return r, nil
}

// arrowReader cuts the record batches of a split into smaller ones.
type arrowReader struct {
	source   *source
	messages *messages
	reader   *ipc.Reader
	mem      memory.Allocator
	schema   *arrow.Schema
	columns  []int // of the file, in the schema's order
	most     int64
	room     int64        // bytes of a record
	record   arrow.Record // being cut; nil: the next is to be read
	at, step int64        // rows of it
	rows     int64        // of the split
}

func openArrow(ctx context.Context, s Split, o ReadOptions) (*arrowReader, error) {
	src, err := openSource(ctx, s.Path)
	if err != nil {
		return nil, err
	}
	mem := o.Memory
	r := &arrowReader{source: src, mem: mem}
	err = guarded(func() (err error) {
		if r.messages, err = openMessages(src, s, mem); err == nil {
			r.reader, err = ipc.NewReaderFromMessageReader(r.messages, ipc.WithAllocator(bounded{mem}))
		}
		return err
	})
	if err != nil {
		if other := src.refuse(Arrow, o); other != nil {
			err = other
		}
		return nil, errors.Join(r.error(err), r.Close())
	}
	return r, nil
}

func (r *arrowReader) error(err error) error {
	offset := int64(-1)
	if r.messages != nil {
		offset = r.messages.start
	}
	return r.source.error(offset, -1, fmt.Errorf("not a readable Arrow file: %w", err))
}

func (r *arrowReader) fields() *arrow.Schema {
	var fields []arrow.Field
	for _, f := range r.reader.Schema().Fields() {
		fields = append(fields, plainField(f))
	}
	return arrow.NewSchema(fields, nil)
}

// match finds the wanted columns in the file.
func (r *arrowReader) match() error {
	found := r.reader.Schema()
	for _, f := range r.schema.Fields() {
		i, err := place(found, f.Name)
		if err != nil {
			return err
		}
		r.columns = append(r.columns, i)
	}
	return nil
}

func (r *arrowReader) firstRow() int64 { return r.messages.before }

func (r *arrowReader) Schema() *arrow.Schema { return r.schema }

func (r *arrowReader) Next() (arrow.Record, error) {
	for r.record == nil || r.at == r.record.NumRows() {
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	end := min(r.at+r.step, r.record.NumRows())
	part := r.record.NewSlice(r.at, end)
	defer part.Release()
	arrays := make([]arrow.Array, 0, len(r.columns))
	defer func() { releaseArrays(arrays) }()
	for i, c := range r.columns {
		var a arrow.Array
		err := guarded(func() (err error) {
			a, err = castField(r.mem, part.Column(c), r.schema.Field(i))
			return err
		})
		if err != nil {
			return nil, r.source.error(r.messages.start, r.rows, fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err))
		}
		arrays = append(arrays, a)
	}
	r.rows += end - r.at
	r.at = end
	return array.NewRecord(r.schema, arrays, part.NumRows()), nil
}

// advance reads the next record batch; io.EOF: there is none.
func (r *arrowReader) advance() error {
	r.drop()
	err := guarded(func() error {
		if !r.reader.Next() {
			if err := r.reader.Err(); err != nil {
				return err
			}
			return io.EOF
		}
		return checkRecord(r.reader.Record())
	})
	if err == io.EOF {
		return err
	}
	if err != nil {
		return r.error(err)
	}
	r.record = r.reader.Record()
	r.record.Retain()
	r.at = 0
	mean := r.messages.body / max(1, r.record.NumRows())
	r.step = max(1, min(r.most, r.room/max(1, mean)))
	return nil
}

func (r *arrowReader) drop() {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
}

func (r *arrowReader) Close() error {
	r.drop()
	if r.reader != nil {
		r.reader.Release()
	} else if r.messages != nil {
		r.messages.Release()
	}
	return r.source.close()
}
