package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Link implements Store by a hard link. It copies if the file system has no hard
// links, none between the two folders, or no more for this file.
func (s Local) Link(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := os.Link(localPath(from), localPath(to))
	for _, no := range []error{unix.EXDEV, unix.EPERM, unix.EMLINK, unix.ENOTSUP, unix.ENOSYS} {
		if errors.Is(err, no) {
			return s.copy(ctx, from, to)
		}
	}
	if err != nil {
		return fmt.Errorf("store: link: %w", err)
	}
	return nil
}

// copy is Link by copying.
func (s Local) copy(ctx context.Context, from, to string) error {
	if _, err := os.Lstat(localPath(to)); err == nil {
		return fmt.Errorf("store: copy to %s: %w", to, fs.ErrExist)
	}
	source, err := s.Open(ctx, from)
	if err != nil {
		return err
	}
	target, err := s.Create(ctx, to)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, source.Close()); err != nil {
		return errors.Join(fmt.Errorf("store: copy %s: %w", from, err), target.Abort())
	}
	return target.Commit()
}
