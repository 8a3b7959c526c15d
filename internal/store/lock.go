package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped where another holder has the lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock implements Store with flock(2), which the kernel ends with the process,
// and NFS with the host's lease on it. The file stays when the lock ends; who
// removes it, or its folder, does so while holding the lock.
func (Local) Lock(ctx context.Context, path string) (io.Closer, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(local(path), os.O_RDWR|os.O_CREATE, 0o666)
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
		if named(file) {
			return file, nil
		}
		// Its last holder removed it between our two calls: a lock on a file
		// without a name keeps nobody out.
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("store: lock: %w", err)
		}
	}
}

// named tells whether a file is still the one of its name.
func named(file *os.File) bool {
	held, err := file.Stat()
	there, err2 := os.Stat(file.Name())
	return err == nil && err2 == nil && os.SameFile(held, there)
}
