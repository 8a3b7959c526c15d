package infer

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed/files"
)

// input is a split's file.
type input struct {
	*files.Dataset
	path string
}

// openInput reads what a file says of its columns.
func openInput(ctx context.Context, mem memory.Allocator, path string, batchRows int) (*input, error) {
	data, err := files.Open(ctx, files.Parquet, path, files.ReadOptions{BatchRows: batchRows, Memory: mem})
	in := &input{Dataset: data, path: path}
	if err != nil {
		return nil, in.failed(err)
	}
	if found := data.Files(); len(found) != 1 || found[0].Path != path {
		return nil, atFile(exitFailed, "read", path, errors.New("it is a folder, and a split is one file"))
	}
	return in, nil
}

// choose leaves these columns.
func (in *input) choose(columns []string) (err error) {
	in.Dataset, err = in.Select(columns...)
	return err
}

// open begins to read all rows.
func (in *input) open(ctx context.Context) (files.Reader, error) {
	splits, err := in.Splits(ctx, 0)
	if err != nil {
		return nil, in.failed(err)
	}
	reader, err := in.Read(ctx, splits[0])
	if err != nil {
		return nil, in.failed(err)
	}
	return reader, nil
}

// failed tells a file that cannot be understood from one that cannot be
// reached.
func (in *input) failed(err error) error {
	code := exitFailed
	var data *files.Error
	if errors.As(err, &data) {
		code = exitData
	}
	return atFile(code, "read", in.path, err)
}
