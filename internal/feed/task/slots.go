package task

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tfos/internal/feed"
)

// slotMemory is a member's shared memory, as a feed task writes it. A slot is mapped when it is
// first written, with as many bytes as are written: cluster managers may count mapped memory
// that is not used. A member grants the slot last returned first, so a task writes few slots,
// again and again. A copy by the kernel (write) takes twice as long.
//
// One goroutine uses it at a time.
type slotMemory struct {
	file      *os.File
	slotBytes int64
	slots     map[int][]byte // mapped so far
}

// openSlots opens the memory that a member offers. It is nil if it is not to be had, or another
// file than the member's: in a container of another namespace.
func openSlots(offer *feed.Shared) *slotMemory {
	if offer == nil {
		return nil
	}
	file, err := os.OpenFile(offer.Path, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	var about unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &about); err != nil || about.Ino != offer.Inode {
		_ = file.Close() // nothing was written
		return nil
	}
	return &slotMemory{file: file, slotBytes: offer.SlotBytes, slots: map[int][]byte{}}
}

// write copies a frame's message into a slot.
func (m *slotMemory) write(slot int, f *frame) error {
	mapped, err := m.mapSlot(slot, f.size)
	if err == nil {
		f.copyMessage(mapped)
		return nil
	}
	at := int64(slot) * m.slotBytes // the process has no room to map it: a limit of its host
	for _, piece := range f.message() {
		n, err := m.file.WriteAt(piece, at)
		if err != nil {
			return fmt.Errorf("feed: write slot %d: %w", slot, err)
		}
		at += int64(n)
	}
	return nil
}

// mapSlot returns a slot's memory, at least size bytes.
func (m *slotMemory) mapSlot(slot, size int) ([]byte, error) {
	mapped := m.slots[slot]
	if size <= len(mapped) {
		return mapped, nil
	}
	if mapped != nil {
		delete(m.slots, slot)
		if err := unix.Munmap(mapped); err != nil {
			return nil, err
		}
	}
	mapped, err := unix.Mmap(int(m.file.Fd()), int64(slot)*m.slotBytes, size,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err == nil {
		m.slots[slot] = mapped
	}
	return mapped, err
}

// close unmaps all slots. No one writes any more.
func (m *slotMemory) close() {
	for _, mapped := range m.slots {
		_ = unix.Munmap(mapped)
	}
	m.slots = nil
	_ = m.file.Close() // what was written is in memory
}
