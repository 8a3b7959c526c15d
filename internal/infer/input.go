package infer

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// input is an open parquet file.
type input struct {
	path   string
	mem    memory.Allocator
	source *source
	file   *file.Reader
	arrow  *pqarrow.FileReader
	schema *arrow.Schema
}

// openInput reads a file's footer. The parquet library panics on some damaged
// files: that is an error with the file's name here, as in every other use.
func openInput(ctx context.Context, mem memory.Allocator, path string) (*input, error) {
	in := &input{path: path, mem: mem}
	var err error
	if in.source, err = openSource(ctx, path); err != nil {
		return nil, atFile(exitFailed, "open", path, err)
	}
	if err := guarded(in.readFooter); err != nil {
		return nil, in.damaged(err)
	}
	return in, nil
}

func (in *input) readFooter() (err error) {
	if in.file, err = file.NewParquetReader(in.source); err != nil {
		return err
	}
	if in.arrow, err = pqarrow.NewFileReader(in.file, pqarrow.ArrowReadProperties{}, in.mem); err != nil {
		return err
	}
	in.schema, err = in.arrow.Schema()
	return err
}

// damaged tells a file that cannot be understood from one that cannot be
// reached.
func (in *input) damaged(err error) error {
	if in.source.failed.Load() {
		return atFile(exitFailed, "read", in.path, err)
	}
	return atFile(exitData, "read", in.path, fmt.Errorf("not a readable parquet file: %w", err))
}

// guarded turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}

// emptyRecord has these columns and no rows.
func (in *input) emptyRecord(names []string) arrow.Record {
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, name := range names {
		f, _ := in.schema.FieldsByName(name)
		fields = append(fields, f[0])
		arrays = append(arrays, array.MakeArrayOfNull(in.mem, f[0].Type, 0))
	}
	defer release(arrays)
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, 0)
}

// columns starts reading these columns, rows at a time.
func (in *input) columns(ctx context.Context, names []string, rows int) (*columnReader, error) {
	c := &columnReader{in: in, batch: int64(rows)}
	if err := guarded(func() error { return c.open(ctx, names) }); err != nil {
		c.close()
		return nil, in.damaged(err)
	}
	return c, nil
}
