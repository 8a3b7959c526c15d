package infer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"tfos/internal/store"
)

// source is an input file as the parquet library wants it: it asks once for the
// end, and then reads ranges (a footer, a column of a row group).
type source struct {
	path string
	size int64
	// read fills p from an offset. It is a function because it holds the
	// split's ctx: io.ReaderAt has no place for one.
	read func(p []byte, offset int64) (int, error)
	// failed is set when the store, and not the file, was at fault.
	failed atomic.Bool
}

// openSource is the one place where input files are opened. ctx bounds every
// later read.
func openSource(ctx context.Context, path string) (*source, error) {
	st, err := store.For(path)
	if err != nil {
		return nil, err
	}
	info, err := st.Stat(ctx, path)
	if err != nil {
		return nil, err
	}
	if info.Dir {
		return nil, errors.New("it is a folder, and a split is one file")
	}
	return &source{path: path, size: info.Size, read: func(p []byte, offset int64) (int, error) {
		r, err := st.ReadRange(ctx, path, offset, int64(len(p)))
		if err != nil {
			return 0, err
		}
		n, err := io.ReadFull(r, p)
		return n, errors.Join(err, r.Close())
	}}, nil
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset+int64(len(p)) > s.size {
		return 0, fmt.Errorf("bytes from %d to %d of a file of %d", offset, offset+int64(len(p)), s.size)
	}
	n, err := s.read(p, offset)
	if err != nil {
		s.failed.Store(true)
	}
	return n, err
}

// Seek implements io.Seeker, for the one use that the parquet library makes of
// it.
func (s *source) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekEnd {
		return 0, errors.ErrUnsupported
	}
	return s.size, nil
}
