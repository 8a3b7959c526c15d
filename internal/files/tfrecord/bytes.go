package tfrecord

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/codec"
)

// byteArrayColumn is the only column, of type binary, of files whose records
// are any bytes (option recordType: ByteArray), as in spark-tfrecord.
const byteArrayColumn = "byteArray"

// recordSource appends a split's records unchanged.
type recordSource struct {
	frames
	columns []array.Builder // exactly one, of binary
	row     int64
}

func (s *recordSource) AppendRow() (int, error) {
	data, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.Fail(s.at, s.row, err)
	}
	for _, c := range s.columns {
		c.(*array.BinaryBuilder).Append(data)
	}
	s.row++
	return len(data), nil
}

// columnTypes lists columns and their types for messages.
func columnTypes(schema *arrow.Schema) string {
	var list []string
	for _, f := range schema.Fields() {
		list = append(list, f.Name+" "+f.Type.String())
	}
	return strings.Join(list, ", ")
}

// recordWriter writes one file of records, unchanged.
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
			return fmt.Errorf("files: write tfrecord: row %d: %w: a record cannot be null", r.row, codec.ErrValue)
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
