package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/store"
)

// TFRecord files whose records are bytes, of any message or none, by the option
// recordType: ByteArray. As in spark-tfrecord there is one column, byteArray, of
// type binary.
const byteArrayColumn = "byteArray"

// recordsCodec is TFRecord files: of bytes where the options say so, else of
// messages with features.
type recordsCodec struct{ messages tfrecordCodec }

// raw tells whether the options ask for bytes.
func raw(options map[string]string) (bool, error) {
	t, err := recordTypeOf(options)
	return t == recordBytes, err
}

func (recordsCodec) extensions() []string { return []string{".tfrecord", ".tfrecords", ".tfrec"} }

func (recordsCodec) begins(head []byte) bool { return beginsFrame(head) }

func (c recordsCodec) schema(ctx context.Context, list []store.Info, o ReadOptions) (*arrow.Schema, error) {
	bytes, err := raw(o.Options)
	if !bytes {
		return c.messages.schema(ctx, list, o)
	}
	if err != nil {
		return nil, err
	}
	schema, err := declared(list[0].Path, arrow.NewSchema([]arrow.Field{{Name: byteArrayColumn, Type: arrow.BinaryTypes.Binary}}, nil), o)
	if err == nil && schema.Field(0).Type.ID() != arrow.BINARY {
		err = fmt.Errorf("files: %s: column %s is declared %s: %w: with %s: %s it is binary", TFRecord, byteArrayColumn, schema.Field(0).Type, ErrType, recordTypeOption, recordBytes)
	}
	return schema, err
}

func (c recordsCodec) starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error) {
	return c.messages.starts(ctx, file, o)
}

func (c recordsCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	if bytes, _ := raw(o.Options); !bytes { // schema has looked
		return c.messages.open(ctx, s, schema, o)
	}
	in, err := openInput(ctx, s, sniffFrames(o))
	if err != nil {
		return nil, err
	}
	r := newRowReader(schema, o)
	source := &recordSource{frames: frames{input: in}, columns: r.builders}
	r.source, r.in = source, in
	if s.Offset > 0 {
		if err := source.sync(); err != nil {
			return nil, errors.Join(in.fail(in.offset, -1, err), r.Close())
		}
	}
	return r, nil
}

// recordSource appends a split's records as they are.
type recordSource struct {
	frames
	columns []array.Builder // one, of binary
	row     int64
}

func (s *recordSource) appendRow() (int, error) {
	data, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.fail(s.at, s.row, err)
	}
	for _, c := range s.columns {
		c.(*array.BinaryBuilder).Append(data)
	}
	s.row++
	return len(data), nil
}

func (c recordsCodec) create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	bytes, err := raw(o.Options)
	if !bytes {
		return c.messages.create(w, schema, o)
	}
	if err != nil {
		return nil, err
	}
	if schema.NumFields() != 1 || schema.Field(0).Type.ID() != arrow.BINARY {
		return nil, fmt.Errorf("files: write tfrecord: %w: with %s: %s there must be one column, of type binary, and there are: %s",
			ErrType, recordTypeOption, recordBytes, columnTypes(schema))
	}
	packed, err := compressor(w, o.Compression, gzipped, zlibPacked)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	buffer := bufio.NewWriterSize(packed, streamBytes)
	return &recordWriter{frames: frameWriter{w: buffer}, buffer: buffer, packed: packed}, nil
}

// columnTypes lists columns for a person.
func columnTypes(schema *arrow.Schema) string {
	var list []string
	for _, f := range schema.Fields() {
		list = append(list, f.Name+" "+f.Type.String())
	}
	return strings.Join(list, ", ")
}

// recordWriter writes one file of records as they are.
type recordWriter struct {
	frames frameWriter
	buffer *bufio.Writer
	packed io.WriteCloser
	row    int64
}

// Write implements Writer.
func (r *recordWriter) Write(record arrow.Record) error {
	column := record.Column(0).(*array.Binary)
	for i := range column.Len() {
		if column.IsNull(i) {
			return fmt.Errorf("files: write tfrecord: row %d: %w: a record cannot be null", r.row, ErrValue)
		}
		if err := r.frames.write(column.Value(i)); err != nil {
			return fmt.Errorf("files: write tfrecord: row %d: %w", r.row, err)
		}
		r.row++
	}
	return nil
}

// Close implements Writer.
func (r *recordWriter) Close() error {
	if err := errors.Join(r.buffer.Flush(), r.packed.Close()); err != nil {
		return fmt.Errorf("files: write tfrecord: %w", err)
	}
	return nil
}
