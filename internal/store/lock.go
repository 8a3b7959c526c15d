package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped if another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock implements Store with flock(2). The kernel releases the lock when the process
// ends. NFS releases it when the host's lease ends. The file stays when the lock ends.
// Remove the file, or its folder, only while holding the lock.
func (Local) Lock(ctx context.Context, path string) (io.Closer, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(localPath(path), os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, fmt.Errorf("store: lock: %w", err)
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("store: lock %s: %w", path, err), file.Close())
		}
		if hasItsName(file) {
			return file, nil
		}
		// The last holder removed the file between open and flock. A lock on a
		// removed file would keep nobody out.
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("store: lock: %w", err)
		}
	}
}

// Unlock releases a lock of s at path, and deletes its file.
func Unlock(ctx context.Context, s Store, path string, held io.Closer) error {
	var err error
	if _, deletes := held.(*objectLock); !deletes { // Close does, if the lock is still ours
		err = s.Remove(ctx, path)
	}
	return errors.Join(err, held.Close())
}

// hasItsName reports whether the file at the file's name is still this file.
func hasItsName(file *os.File) bool {
	held, err := file.Stat()
	there, err2 := os.Stat(file.Name())
	return err == nil && err2 == nil && os.SameFile(held, there)
}
