package feed

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Shared is memory that a member shares with feed tasks and the program on its
// own kernel: a chunk in it is written once and looked at in place, where the
// way through two sockets costs eight times as much. Path opens it, for this
// user's processes; Inode is what it then must be.
type Shared struct {
	Path      string `json:"path"`
	Inode     uint64 `json:"inode"`
	Slots     int    `json:"slots"`
	SlotBytes int64  `json:"slot_bytes"`
}

// sharedMemory is a feed's shared memory: slotCount pieces of slotBytes. It
// lives as long as the process: chunks in it may be looked at whenever the
// member is. Its methods make system calls. They are safe for concurrent use
// where slotTable gives each slot to one user.
type sharedMemory struct {
	about Shared
	file  *os.File
	bytes []byte // all of it, to read
}

// makeSharedMemory is newSharedMemory where chunks can go through sockets
// instead: nil.
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
		err = unix.Stat(m.about.Path, &seen) // as others will: /proc may be closed, or another's
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

// chunk is the bytes of a chunk in a slot.
func (m *sharedMemory) chunk(slot int, size int64) []byte {
	at := int64(slot) * slotBytes
	return m.bytes[at : at+size : at+size]
}
