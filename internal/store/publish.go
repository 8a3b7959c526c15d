package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Publish implements Store by renaming. To replace final, it exchanges the names of
// staging and final in one step, and then deletes the old entry. If the file system
// cannot exchange names, it moves the old entry aside, renames staging, and deletes the
// old entry. If the rename fails, it moves the old entry back.
func (Local) Publish(ctx context.Context, staging, final string, replace bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, to := filepath.Clean(localPath(staging)), filepath.Clean(localPath(final))
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
	if replace {
		done, err := exchange(from, to)
		if done || err != nil {
			return err
		}
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

// exchange exchanges the two names and deletes the old entry of to. done is false if
// nothing is at to, or if the file system cannot exchange names.
func exchange(from, to string) (done bool, err error) {
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return true, errors.Join(syncPath(filepath.Dir(to)), os.RemoveAll(from))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return false, nil
	}
	return false, err
}

// moveAside moves an existing entry at to into a new hidden folder beside it, under the
// name "old". It returns that folder, or "" if nothing was at to.
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

// syncTree makes a file durable, or a folder with its contents.
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
