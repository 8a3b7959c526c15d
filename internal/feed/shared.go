package feed

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// slotBytes is what a slot holds: any chunk. Pages cost memory when they are
	// first written, not before.
	slotBytes = MaxChunk
	// slotCount is the chunks that feed tasks write, the queue holds and the
	// program looks at, together; what is beyond goes through sockets.
	slotCount = 256
	// slotsAhead is the free slots that a feed task has: one is written while
	// the other's chunk is on its way (see maxUnacked in internal/feed/task).
	slotsAhead = 2
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

// slots is a feed's shared memory: slotCount pieces of slotBytes. Whoever has a
// slot is alone in writing it: a feed task from its grant to its chunk, nobody
// from there until the program has given it back. guarded by queue.mu.
type slots struct {
	about Shared
	file  *os.File
	mem   []byte // all of it, to read
	empty []int
	had   [slotCount]int64 // bytes of memory that a slot has
	kept  int64            // by empty slots
	keep  int64            // by them at most
}

// newSlots makes the memory, of which empty slots keep some: clearing pages anew
// costs as much as a socket. It lives as long as the process: chunks in it may be
// looked at whenever the member is.
func newSlots(name string, keep int64) (*slots, error) {
	fail := func(err error) (*slots, error) { return nil, fmt.Errorf("feed: share memory: %w", err) }
	fd, err := unix.MemfdCreate("tfos-"+name, unix.MFD_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	s := &slots{file: os.NewFile(uintptr(fd), name), keep: keep}
	s.about = Shared{Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), Slots: slotCount, SlotBytes: slotBytes}
	var made, seen unix.Stat_t
	err = errors.Join(s.file.Truncate(slotCount*slotBytes), unix.Fstat(fd, &made))
	if err == nil {
		err = unix.Stat(s.about.Path, &seen) // as others will: /proc may be closed, or another's
	}
	if err == nil && seen.Ino != made.Ino {
		err = errors.New(s.about.Path + " is another file")
	}
	if err == nil {
		s.mem, err = unix.Mmap(fd, 0, slotCount*slotBytes, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return fail(errors.Join(err, s.file.Close()))
	}
	s.about.Inode = made.Ino
	for i := range slotCount {
		s.empty = append(s.empty, slotCount-1-i)
	}
	return s, nil
}

// take is an empty slot; the one given back last, which has memory and is perhaps
// still in the processor's cache.
func (s *slots) take() (slot int, ok bool) {
	if len(s.empty) == 0 {
		return 0, false
	}
	slot = s.empty[len(s.empty)-1]
	s.empty = s.empty[:len(s.empty)-1]
	s.kept -= s.had[slot]
	return slot, true
}

// put takes back a slot of which size bytes were used.
func (s *slots) put(slot int, size int64) {
	s.had[slot] = max(s.had[slot], size)
	if s.kept+s.had[slot] > s.keep && s.clear(slot) == nil {
		s.had[slot] = 0
		s.empty = slices.Insert(s.empty, 0, slot) // those that have memory are taken first
		return
	}
	s.kept += s.had[slot]
	s.empty = append(s.empty, slot)
}

// clear gives a slot's memory back to the kernel.
func (s *slots) clear(slot int) error {
	return unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(slot)*slotBytes, slotBytes)
}

// chunk is the bytes of a chunk in a slot.
func (s *slots) chunk(slot int, size int64) []byte {
	at := int64(slot) * slotBytes
	return s.mem[at : at+size : at+size]
}

// shareWith lets a stream of this host write into slots; nil where the machine
// has none. The memory is made when the first such stream comes.
func (q *queue) shareWith(s *stream) *Shared {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.slots == nil && !q.unshared {
		var err error
		q.slots, err = newSlots(q.cfg.Name, q.cfg.QueueBytes) // what the queue had once it may have again
		q.unshared = err != nil                               // sockets serve too
	}
	if q.unshared {
		return nil
	}
	s.shared = true
	q.grantSlots(s)
	return &q.slots.about
}

// grantSlots gives a stream of this host the slots that it may write ahead.
func (q *queue) grantSlots(s *stream) {
	for s.shared && len(s.slots) < slotsAhead {
		slot, ok := q.slots.take()
		if !ok {
			return
		}
		s.slots = append(s.slots, slot)
		s.out.slot(slot)
	}
}

// putSlot takes back a slot, and gives it to a stream that has too few.
func (q *queue) putSlot(slot int, size int64) {
	q.slots.put(slot, size)
	for s := range q.streams {
		q.grantSlots(s)
	}
}

// dropSlot takes back the slot of a chunk that nobody will look at.
func (q *queue) dropSlot(it item) {
	if it.slot >= 0 {
		q.putSlot(it.slot, it.size)
	}
}

// useSlot says that a stream wrote a chunk into a slot that it was granted; the
// slot is then the chunk's.
func (q *queue) useSlot(s *stream, slot int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(s.slots, slot)
	if at < 0 {
		return false
	}
	s.slots = slices.Delete(s.slots, at, at+1)
	return true
}

// endSlots grants a stream no more: its task reads nothing after its end.
func (q *queue) endSlots(s *stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.shared = false
}

// leaveSlots takes a stream's slots back when its task is sure to write no more,
// because it ended the connection itself. One that was cut off may be writing
// still: its slots are given to nobody.
func (q *queue) leaveSlots(s *stream) {
	if s.hungUp {
		for _, slot := range s.slots {
			q.putSlot(slot, 0)
		}
	}
	s.slots = nil
}

// lend notes that a chunk in a slot went to p, which looks at it in place.
func (q *queue) lend(p *program, it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.lent[it.slot] = it.size
}

// returned takes back slots that p has done with. false: it had not all of them.
func (q *queue) returned(p *program, slots []int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, slot := range slots {
		size, ok := p.lent[slot]
		if !ok {
			return false
		}
		delete(p.lent, slot)
		q.putSlot(slot, size)
	}
	return true
}
