package tfrecord

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
	"tfos/internal/recordio"
)

func (messageCodec) create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	only, err := recordTypeOf(o.Options)
	if err != nil {
		return nil, err
	}
	encoder, err := newExampleEncoder(schema, only == recordSequence)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	packed, err := rowformat.Compressor(w, o.Compression, rowformat.Gzipped, rowformat.ZlibPacked)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	buffer := bufio.NewWriterSize(packed, rowformat.StreamBytes)
	return &exampleWriter{frames: frameWriter{recordio.NewWriter(buffer)}, encoder: encoder, buffer: buffer, packed: packed}, nil
}

// exampleWriter writes one file.
type exampleWriter struct {
	frames  frameWriter
	encoder *exampleEncoder
	buffer  *bufio.Writer
	packed  io.WriteCloser
	row     int64
}

// Write implements Writer.
func (e *exampleWriter) Write(record arrow.Record) error {
	for i := range int(record.NumRows()) {
		data, err := e.encoder.encode(record, i)
		if err == nil {
			err = e.frames.write(data)
		}
		if err != nil {
			return fmt.Errorf("files: write tfrecord: row %d: %w", e.row, err)
		}
		e.row++
	}
	return nil
}

// Close implements Writer.
func (e *exampleWriter) Close() error {
	if err := errors.Join(e.buffer.Flush(), e.packed.Close()); err != nil {
		return fmt.Errorf("files: write tfrecord: %w", err)
	}
	return nil
}
