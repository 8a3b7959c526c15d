package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Publish implements Store by renaming. A replaced final is moved aside first
// and deleted last; when the rename between fails it is moved back.
func (Local) Publish(ctx context.Context, staging, final string, replace bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, to := filepath.Clean(local(staging)), filepath.Clean(local(final))
	if err := publish(from, to, replace); err != nil {
		return fmt.Errorf("store: publish %s: %w", final, err)
	}
	return nil
}

func publish(from, to string, replace bool) error {
	if err := syncTree(from); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	aside, err := moveAside(to, replace)
	if err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		if aside != "" {
			err = errors.Join(err, os.Rename(aside+"/old", to), os.Remove(aside))
		}
		return err
	}
	if err := syncPath(filepath.Dir(to)); err != nil {
		return err
	}
	if aside != "" {
		return os.RemoveAll(aside)
	}
	return nil
}

// moveAside makes the name free. It returns the hidden folder beside it that
// holds the old entry as "old", or "" when there was none.
func moveAside(to string, replace bool) (string, error) {
	_, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !replace:
		return "", fs.ErrExist
	}
	aside, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+".old-*")
	if err != nil {
		return "", err
	}
	if err := os.Rename(to, aside+"/old"); err != nil {
		return "", errors.Join(err, os.Remove(aside))
	}
	return aside, nil
}

// syncTree makes a file, or a folder with all in it, durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || d.Type().IsRegular() {
			return syncPath(path)
		}
		return nil
	})
}

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
