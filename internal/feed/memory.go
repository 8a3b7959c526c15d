package feed

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Shared describes memory that a member shares with feed tasks and the program
// on the same kernel. A chunk is written there once and read in place. The way
// through two sockets costs eight times as much. Processes of this user open
// Path, and check that it then has the inode Inode.
type Shared struct {
	Path      string `json:"path"`
	Inode     uint64 `json:"inode"`
	Slots     int    `json:"slots"`
	SlotBytes int64  `json:"slot_bytes"`
}

// sharedMemory is a feed's shared memory: slotCount slots of slotBytes. It
// exists as long as the process, because chunks in it may be read at any time.
// Its methods make system calls. They are safe for concurrent use, provided
// that slotTable gives each slot to one user.
type sharedMemory struct {
	about Shared
	file  *os.File
	bytes []byte // all of the memory, read-only
}

// makeSharedMemory returns nil if newSharedMemory fails, because chunks can go
// through sockets instead.
func makeSharedMemory(name string) *sharedMemory {
	m, err := newSharedMemory(name)
	if err != nil {
		return nil
	}
	return m
}

func newSharedMemory(name string) (*sharedMemory, error) {
	fail := func(err error) (*sharedMemory, error) { return nil, fmt.Errorf("feed: share memory: %w", err) }
	fd, err := unix.MemfdCreate("tfos-"+name, unix.MFD_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	m := &sharedMemory{file: os.NewFile(uintptr(fd), name)}
	m.about = Shared{Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), Slots: slotCount, SlotBytes: slotBytes}
	var made, seen unix.Stat_t
	err = errors.Join(m.file.Truncate(slotCount*slotBytes), unix.Fstat(fd, &made))
	if err == nil {
		err = unix.Stat(m.about.Path, &seen) // as other processes will: /proc may be closed, or another one
	}
	if err == nil && seen.Ino != made.Ino {
		err = errors.New(m.about.Path + " is another file")
	}
	if err == nil {
		m.bytes, err = unix.Mmap(fd, 0, slotCount*slotBytes, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return fail(errors.Join(err, m.file.Close()))
	}
	m.about.Inode = made.Ino
	return m, nil
}

// clearSlot gives a slot's memory back to the kernel.
func (m *sharedMemory) clearSlot(slot int) error {
	return unix.Fallocate(int(m.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(slot)*slotBytes, slotBytes)
}

// chunk returns the bytes of a chunk in a slot.
func (m *sharedMemory) chunk(slot int, size int64) []byte {
	at := int64(slot) * slotBytes
	return m.bytes[at : at+size : at+size]
}
