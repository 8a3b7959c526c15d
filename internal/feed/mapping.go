package feed

import (
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Mapping is a file that is mapped into memory, to be read. It is unmapped when
// its last user has released it. It is safe for concurrent use.
type Mapping struct {
	path  string
	bytes []byte
	users atomic.Int64
}

// MapFile maps a file as it is now, for one user. inode, if not 0, is the inode
// that the file must have.
func MapFile(path string, inode uint64) (*Mapping, error) {
	fail := func(err error) (*Mapping, error) { return nil, fmt.Errorf("feed: map %s: %w", path, err) }
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("feed: map: %w", err)
	}
	defer file.Close()
	var about unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &about); err != nil {
		return fail(err)
	}
	if inode != 0 && about.Ino != inode {
		return fail(fmt.Errorf("it is not the member's memory: %w", ErrProtocol))
	}
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(about.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fail(err)
	}
	m := &Mapping{path: path, bytes: bytes}
	m.users.Store(1)
	return m, nil
}

// Borrow returns size bytes at offset. The caller calls Release when it no
// longer reads them.
func (m *Mapping) Borrow(offset, size int64) ([]byte, error) {
	if offset < 0 || size < 0 || offset+size > int64(len(m.bytes)) {
		return nil, fmt.Errorf("feed: %d bytes at %d of %s, which has %d: %w", size, offset, m.path, len(m.bytes), ErrProtocol)
	}
	m.users.Add(1)
	return m.bytes[offset : offset+size : offset+size], nil
}

// Release ends one use.
func (m *Mapping) Release() {
	if m.users.Add(-1) == 0 {
		_ = unix.Munmap(m.bytes)
	}
}
