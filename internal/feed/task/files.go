package task

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/arrow/util"

	"tfos/internal/files"
)

// fileRows reads a partition's rows itself: split by split.
type fileRows struct {
	data   *files.Dataset
	splits []files.Split // still to be read
	reader files.Reader  // of the split before them; nil: none is open
	record arrow.Record  // handed out last
}

// openFiles reads these splits; schema is the recipe's.
func openFiles(recipe files.Recipe, schema *arrow.Schema, splits []files.Split) (*fileRows, error) {
	data, err := recipe.Dataset(files.ReadOptions{BatchRows: batchRows(schema), Memory: &files.Recycler{Allocator: memory.DefaultAllocator, Exact: true}})
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	return &fileRows{data: data, splits: splits}, nil
}

func (f *fileRows) next(ctx context.Context) (batch, error) {
	record, err := f.read(ctx)
	var bad *files.Error
	if errors.As(err, &bad) {
		return batch{}, rowError{err.Error()}
	} else if err != nil {
		return batch{}, err
	}
	f.release()
	f.record = record
	return batch{rows: record.NumRows(), bytes: util.TotalRecordSize(record), record: record}, nil
}

// read is the next record of the open split, or of one after it.
func (f *fileRows) read(ctx context.Context) (arrow.Record, error) {
	for {
		if f.reader == nil {
			if len(f.splits) == 0 {
				return nil, io.EOF
			}
			reader, err := f.data.Read(ctx, f.splits[0])
			if err != nil {
				return nil, err
			}
			f.reader, f.splits = reader, f.splits[1:]
		}
		record, err := f.reader.Next()
		if !errors.Is(err, io.EOF) {
			return record, err
		}
		err = f.reader.Close()
		f.reader = nil
		if err != nil {
			return nil, err
		}
	}
}

func (f *fileRows) returnBuffer([]byte) {}

func (f *fileRows) close() {
	f.release()
	if f.reader != nil {
		_ = f.reader.Close()
	}
}

func (f *fileRows) release() {
	if f.record != nil {
		f.record.Release()
		f.record = nil
	}
}

const (
	// A batch is about so large, where the schema tells rows' sizes.
	batchBytes = 4 << 20
	// leastBatchRows is for rows of unknown size, mostBatchRows for small ones.
	leastBatchRows, mostBatchRows = 1000, 10_000
	// textBytes is what a text is taken for.
	textBytes = 20
)

// batchRows is how many rows are read at a time; scripts/tfos/inputs.py has
// Spark do the same.
func batchRows(schema *arrow.Schema) int {
	row := 1
	for _, f := range schema.Fields() {
		switch t := f.Type.(type) {
		case arrow.FixedWidthDataType:
			row += t.Bytes()
		case *arrow.StringType, *arrow.LargeStringType:
			row += textBytes
		default:
			return leastBatchRows
		}
	}
	return max(leastBatchRows, min(mostBatchRows, batchBytes/row))
}
