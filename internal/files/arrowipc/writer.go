package arrowipc

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"tfos/internal/files/codec"
)

func (Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	if err := codec.NoOptions(codec.Arrow, o.Options); err != nil {
		return nil, err
	}
	options := []ipc.Option{ipc.WithSchema(schema), ipc.WithAllocator(o.Memory)}
	switch o.Compression {
	case "", "none":
	case "lz4":
		options = append(options, ipc.WithLZ4())
	case "zstd":
		options = append(options, ipc.WithZstd())
	default:
		return nil, fmt.Errorf("files: arrow: no compression %q; there are none, lz4 and zstd", o.Compression)
	}
	a := &writer{to: &countingWriter{w: bufio.NewWriterSize(w, 1<<20)}}
	var err error
	if a.w, err = ipc.NewFileWriter(a.to, options...); err != nil {
		return nil, fmt.Errorf("files: write arrow: %w", err)
	}
	return a, nil
}

// countingWriter counts bytes, because the library asks for its offset in the
// file.
type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *countingWriter) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return c.n, nil
}

type writer struct {
	w  *ipc.FileWriter
	to *countingWriter
}

func (a *writer) Write(record arrow.Record) error {
	if err := codec.RecoverPanic(func() error { return a.w.Write(record) }); err != nil {
		return fmt.Errorf("files: write arrow: %w", err)
	}
	return nil
}

func (a *writer) Close() error {
	err := codec.RecoverPanic(a.w.Close)
	if err == nil {
		err = a.to.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("files: write arrow: %w", err)
	}
	return nil
}
