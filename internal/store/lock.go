package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped if another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock implements Store with flock(2). The kernel releases the lock when the process
// ends. NFS releases it when the host's lease ends. The file stays when the lock ends.
// Remove the file, or its folder, only while holding the lock.
func (Local) Lock(ctx context.Context, path string) (Lock, error) {
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
			return localLock{file}, nil
		}
		// The last holder removed the file between open and flock. A lock on a
		// removed file would keep nobody out.
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("store: lock: %w", err)
		}
	}
}

// localLock is a lock that is held: an open file.
type localLock struct{ *os.File }

// Remove implements Lock. If the file has been moved, another file may have its name.
func (l localLock) Remove(context.Context) error {
	var err error
	if hasItsName(l.File) {
		err = os.Remove(l.Name())
	}
	if err = errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("store: unlock: %w", err)
	}
	return nil
}

// hasItsName reports whether the file at the file's name is still this file.
func hasItsName(file *os.File) bool {
	held, err := file.Stat()
	there, err2 := os.Stat(file.Name())
	return err == nil && err2 == nil && os.SameFile(held, there)
}

// lockEvery is the time between two attempts at a lock. A process that was
// killed lets go of it within a lease.
const lockEvery = 100 * time.Millisecond

// AwaitLock locks the file at path, whose folder it makes. If another process holds the lock
// after patience, the error is ErrLocked.
func AwaitLock(ctx context.Context, st Store, path string, patience time.Duration) (Lock, error) {
	for giveUp := time.Now().Add(patience); ; {
		var held Lock
		err := st.Mkdir(ctx, Dir(path))
		if err == nil {
			held, err = st.Lock(ctx, path)
		}
		// The folder goes with the lock of a run that has published.
		locked := errors.Is(err, ErrLocked)
		switch {
		case err == nil:
			return held, nil
		case !locked && !errors.Is(err, fs.ErrNotExist), locked && !time.Now().Before(giveUp):
			return nil, err
		}
		select {
		case <-time.After(lockEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
