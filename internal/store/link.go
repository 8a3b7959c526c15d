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

// Link implements Store by a hard link, and by a copy where the file system has
// none, or not between the two folders, or not as many.
func (s Local) Link(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := os.Link(local(from), local(to))
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

// copy is Link where there are no links.
func (s Local) copy(ctx context.Context, from, to string) error {
	if _, err := os.Lstat(local(to)); err == nil {
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
