package modelcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lockSuffix ends the name of the file beside a copy that its users lock. The file's time
// is that of the last use.
const lockSuffix = ".lock"

// lock opens the lock of a copy. If the copy is there, the lock is shared; else it is held
// alone, and the caller makes the copy.
func (c Cache) lock(ctx context.Context, key string) (*os.File, error) {
	path := filepath.Join(c.Root, key+lockSuffix)
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		how := unix.LOCK_EX
		if _, err := os.Stat(filepath.Join(c.Root, key)); err == nil {
			how = unix.LOCK_SH
		}
		err = unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		if err == nil && c.current(file, key, how) {
			now := time.Now()
			return file, os.Chtimes(path, now, now)
		}
		_ = file.Close()
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockTime):
		}
	}
}

// current reports whether a lock is still that of the copy, and whether the copy is there
// if the lock is shared. Between open and flock another process may have deleted both.
func (c Cache) current(file *os.File, key string, how int) bool {
	held, err := file.Stat()
	there, err2 := os.Stat(file.Name())
	if err != nil || err2 != nil || !os.SameFile(held, there) {
		return false
	}
	_, err = os.Stat(filepath.Join(c.Root, key))
	return how == unix.LOCK_EX || err == nil
}

// share lets others have the copy too.
func share(file *os.File) error {
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		return fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return nil
}

// held are the locks of this process. Without a reference, the collector would close them.
var (
	heldMu sync.Mutex
	held   []*os.File
)

func holdForever(file *os.File) {
	heldMu.Lock()
	defer heldMu.Unlock()
	held = append(held, file)
}
