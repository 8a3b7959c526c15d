package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/colinmarc/hdfs/v2"
)

// Append implements Store.
func (s HDFS) Append(ctx context.Context, path string, data []byte) error {
	w, size, err := s.openToAppend(ctx, path)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		if _, err = w.Write(data); err != nil {
			_ = w.Close() // it ends the writer's lease
			return fmt.Errorf("store: append to %s: %w", path, fromHDFS(err))
		}
	}
	return s.closeWriter(ctx, w, path, size+int64(len(data)))
}

// openToAppend opens a file at its end, or creates it. It waits while the file's last
// writer, whose process has died, still holds its lease.
func (s HDFS) openToAppend(ctx context.Context, path string) (w *hdfs.FileWriter, size int64, err error) {
	err = s.doFor(ctx, s.patience(), "append to", path, func(c *hdfs.Client) error {
		info, err := c.Stat(hdfsPath(path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			size = 0
			replication, block, err := s.fileDefaults(c)
			if err == nil {
				w, err = c.CreateFile(hdfsPath(path), replication, block, s.mode(0o666))
			}
			return err
		case err != nil:
			return err
		}
		if err := readable(info); err != nil {
			return err
		}
		size = info.Size()
		w, err = c.Append(hdfsPath(path))
		if err = fromHDFS(err); errors.Is(err, errBusy) {
			err = &hdfsError{err: err, again: true}
		}
		return err
	})
	return w, size, err
}

// Link implements Store by copying: Hadoop has no links.
func (s HDFS) Link(ctx context.Context, from, to string) error {
	switch _, err := s.stat(ctx, to); {
	case err == nil:
		return fmt.Errorf("store: copy to %s: %w", to, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.copyPieces(ctx, []Piece{{from, 0, -1}}, to)
}

// Assemble implements Store by copying through this process.
func (s HDFS) Assemble(ctx context.Context, pieces []Piece, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.copyPieces(ctx, pieces, path)
}

// copyPieces writes a file of pieces, with the permissions that all sources have.
func (s HDFS) copyPieces(ctx context.Context, pieces []Piece, path string) (err error) {
	mode := fs.FileMode(0o777)
	for _, p := range pieces {
		info, err := s.stat(ctx, p.Path)
		if err != nil {
			return err
		}
		mode &= info.Mode()
	}
	to, err := s.create(ctx, path, mode&s.mode(0o666))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Abort()) }()
	for _, p := range pieces {
		from, err := s.ReadRange(ctx, p.Path, p.Offset, p.Size)
		if err != nil {
			return err
		}
		n, err := io.CopyBuffer(writerOnly{to}, from, make([]byte, readAtOnce))
		if err = errors.Join(err, from.Close()); err == nil && n < p.Size {
			err = fmt.Errorf("store: copy %d bytes of %s from %d: %w", p.Size, p.Path, p.Offset, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
	}
	return to.Commit()
}
