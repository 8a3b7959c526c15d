package infer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
	"tfos/internal/store"
)

// writeBuffer is the size of writes to an output file.
const writeBuffer = 1 << 20

// output is a file that gets its name by commit. It is an io.Writer and never
// an io.Closer: the parquet writer would close the file before it is synced.
type output struct {
	name   string
	path   string
	file   store.File
	buffer *bufio.Writer
	sum    hash.Hash
	bytes  int64
}

// Writable says why a format cannot hold the predictions of data with this
// schema, as far as it is known before the model has run; nil: it can.
func Writable(format files.Format, schema *arrow.Schema, bind *model.Binding) error {
	var fields []arrow.Field
	for _, name := range bind.Keep {
		fields = append(fields, schema.Field(schema.FieldIndices(name)[0]))
	}
	for _, out := range bind.Outputs {
		if out.ColumnType != nil {
			fields = append(fields, arrow.Field{Name: out.Column, Type: out.ColumnType})
		}
	}
	_, err := files.NewWriter(format, io.Discard, arrow.NewSchema(fields, nil), files.WriteOptions{})
	return err
}

func makeFolder(ctx context.Context, dir string) error {
	st, err := store.For(dir)
	if err == nil {
		err = st.Mkdir(ctx, dir)
	}
	if err != nil {
		return atFile(exit.Output, "make the output folder", dir, err)
	}
	return nil
}

// create begins a file in a store: its temporary name starts with a dot, which
// Spark and pyarrow pass over, and is this attempt's alone.
type create func(ctx context.Context, path string) (store.File, error)

func createInStore(ctx context.Context, path string) (store.File, error) {
	st, err := store.For(path)
	if err != nil {
		return nil, err
	}
	return st.Create(ctx, path)
}

func createOutput(ctx context.Context, create create, dir, name string) (*output, error) {
	o := &output{name: name, path: strings.TrimSuffix(dir, "/") + "/" + name, sum: sha256.New()}
	var err error
	if o.file, err = create(ctx, o.path); err != nil {
		return nil, o.failed(err)
	}
	o.buffer = bufio.NewWriterSize(io.MultiWriter(o.file, o.sum), writeBuffer)
	return o, nil
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.buffer.Write(p)
	o.bytes += int64(n)
	if err != nil {
		err = o.failed(err)
	}
	return n, err
}

func (o *output) failed(err error) error { return atFile(exit.Output, "write", o.path, err) }

// commit makes the file durable under its final name, and returns the SHA-256
// of its bytes. On error nothing of it is left.
func (o *output) commit() (string, error) {
	if err := o.buffer.Flush(); err != nil {
		o.discard()
		return "", o.failed(err)
	}
	if err := o.file.Commit(); err != nil {
		return "", o.failed(err)
	}
	return hex.EncodeToString(o.sum.Sum(nil)), nil
}

// discard removes the file. Its error has no reader: it runs after another one.
func (o *output) discard() { _ = o.file.Abort() }
