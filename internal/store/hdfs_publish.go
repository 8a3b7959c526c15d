package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Publish implements Store by renaming. The name node replaces a file by a file in one
// step. To replace a folder, the old one is moved aside, staging gets its name, and the
// old one is deleted; if the second rename fails, the old one is moved back. If the
// process dies between the renames, the next Publish onto final, or Recover, moves the
// old one back. Data nodes may still have the last bytes in memory, as with every file
// of Hadoop.
func (s HDFS) Publish(ctx context.Context, staging, final string, replace bool) error {
	if hdfsPath(final) == "/" {
		return fmt.Errorf("store: publish %s: it is the whole file system", final)
	}
	if err := s.Recover(ctx, final); err != nil {
		return err
	}
	source, err := s.stat(ctx, staging)
	if err != nil {
		return err
	}
	old, err := s.stat(ctx, final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.Mkdir(ctx, parent(final)); err != nil {
			return err
		}
		return s.rename(ctx, staging, final)
	case err != nil:
		return err
	case !replace:
		return fmt.Errorf("store: publish %s: %w", final, fs.ErrExist)
	case !old.IsDir() && !source.IsDir():
		return s.rename(ctx, staging, final)
	}
	return s.exchange(ctx, staging, final)
}

// exchange replaces final, a folder or to be one, by staging.
func (s HDFS) exchange(ctx context.Context, staging, final string) error {
	if inside(hdfsPath(staging), hdfsPath(final)) {
		return fmt.Errorf("store: publish %s: %s is in it: %w", final, staging, fs.ErrInvalid)
	}
	aside := asideName(final)
	if err := s.rename(ctx, final, aside); err != nil {
		return err
	}
	if err := s.rename(ctx, staging, final); err != nil {
		return errors.Join(err, s.rename(context.WithoutCancel(ctx), aside, final))
	}
	return s.Remove(ctx, aside)
}

// Recover undoes a Publish onto a path that was interrupted, and deletes what it has left.
func (s HDFS) Recover(ctx context.Context, final string) error {
	aside := asideName(final)
	if _, err := s.stat(ctx, aside); err != nil {
		if absent(err) {
			return nil
		}
		return err
	}
	switch _, err := s.stat(ctx, final); {
	case err == nil:
		return s.Remove(ctx, aside)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.rename(ctx, aside, final)
}

func (s HDFS) interrupted(ctx context.Context, final string) (bool, error) {
	return exists(ctx, s, asideName(final))
}

// asideName is where the old entry is while final is being replaced.
func asideName(final string) string { return besideName(final, ".tfos.old") }

// parent returns the URL of the folder of a path.
func parent(url string) string {
	root, rest := cutRoot(url)
	return root + path.Dir(path.Clean("/"+rest))
}

// inside reports whether a path is a folder or below it.
func inside(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, folder+"/")
}
