package files

import (
	"context"
	"errors"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// countedFiles bounds the footers that CountRows reads.
const countedFiles = 1000

// CountRows is the number of rows in the parquet files at path (a file, folder
// or glob), from their footers. It is not known (false) when there are other
// files, more than 1,000, one that cannot be read, or none.
func CountRows(ctx context.Context, path string) (rows int64, known bool) {
	found, err := list(ctx, path)
	if err != nil || len(found) > countedFiles {
		return 0, false
	}
	for _, f := range found {
		n, err := countRows(ctx, f)
		if err != nil {
			return 0, false
		}
		rows += n
	}
	return rows, true
}

var errNotCounted = errors.New("files of the format do not say how many rows they have")

func countRows(ctx context.Context, file store.Info) (int64, error) {
	format, _ := FormatOf(file.Path)
	c, ok := codecs[format].(codec.RowCounter)
	if !ok {
		return 0, errNotCounted
	}
	return c.CountRows(ctx, file)
}
