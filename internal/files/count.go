package files

import (
	"context"
	"errors"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// maxCountedFiles bounds the number of footers that CountRows reads.
const maxCountedFiles = 1000

// CountRows returns the number of rows in the parquet files at path (a file,
// folder or glob). It reads their footers only. known is false for other
// formats, for more than 1,000 files, for an unreadable file, and where there
// is no file.
func CountRows(ctx context.Context, path string) (rows int64, known bool) {
	found, err := list(ctx, path)
	if err != nil || len(found) > maxCountedFiles {
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
