package feed

import "slices"

const (
	// slotBytes is the size of a slot, which holds any chunk. A page uses
	// memory only after its first write.
	slotBytes = MaxChunk
	// slotCount is the number of chunks that feed tasks write, the queue holds
	// and the program reads, together. Further chunks go through sockets.
	slotCount = 256
	// slotsAhead is the number of free slots of a feed task. It writes one
	// while the other's chunk is on its way (see maxUnacked in
	// internal/feed/task).
	slotsAhead = 2
)

// slotTable says who may use each slot of a feed's shared memory. At any time a
// slot has one of these states:
//   - empty, or empty and not cleared yet;
//   - granted: only one feed task writes it;
//   - used: no task writes it; its chunk is queued, or the program reads it;
//   - lost: the task to which it was granted was cut off, and may still be writing.
//
// It is not safe for concurrent use: queue.mu guards it. It never touches the
// memory and never waits: grants go into outboxes.
type slotTable struct {
	empty     []int            // the slot returned last is at the end, and is granted first
	uncleared []int            // empty slots whose memory the caller must clear
	memory    [slotCount]int64 // bytes of memory that each slot uses
	kept      int64            // sum of memory of the empty slots
	keep      int64            // upper limit of kept
	grants    map[*slotGrant]struct{}
}

// slotGrant has the slots that one feed task may write.
type slotGrant struct {
	slots []int
	out   *outbox // carries the slot numbers to the feed task
}

// newSlotTable returns a table of empty slots. Empty slots keep at most keep
// bytes of memory, because clearing new pages costs as much as a socket.
func newSlotTable(keep int64) slotTable {
	t := slotTable{keep: keep, grants: map[*slotGrant]struct{}{}}
	for i := range slotCount {
		t.empty = append(t.empty, slotCount-1-i)
	}
	return t
}

// openGrant keeps slotsAhead slots granted to a feed task from now on.
func (t *slotTable) openGrant(g *slotGrant) {
	t.grants[g] = struct{}{}
	t.refillGrant(g)
}

// refillGrant grants a task slots up to slotsAhead, if its grant is open.
func (t *slotTable) refillGrant(g *slotGrant) {
	if _, open := t.grants[g]; !open {
		return
	}
	for len(g.slots) < slotsAhead {
		slot, ok := t.takeSlot()
		if !ok {
			return
		}
		g.slots = append(g.slots, slot)
		g.out.addSlot(slot)
	}
}

// useSlot records that a task wrote a chunk into a slot. false: the slot was
// not granted to it.
func (t *slotTable) useSlot(g *slotGrant, slot int) bool {
	at := slices.Index(g.slots, slot)
	if at < 0 {
		return false
	}
	g.slots = slices.Delete(g.slots, at, at+1)
	return true
}

// closeGrant stops granting slots to a task, which reads nothing after its END.
func (t *slotTable) closeGrant(g *slotGrant) { delete(t.grants, g) }

// removeGrant removes the grant of a task that is gone. hungUp says that the
// task ended the connection itself, so it writes no more. The slots of a task
// that was cut off are lost.
func (t *slotTable) removeGrant(g *slotGrant, hungUp bool) {
	t.closeGrant(g)
	if hungUp {
		for _, slot := range g.slots {
			t.putSlot(slot, 0)
		}
	}
	g.slots = nil
}

// putSlot takes back a slot of which size bytes were used.
func (t *slotTable) putSlot(slot int, size int64) {
	t.memory[slot] = max(t.memory[slot], size)
	if t.kept+t.memory[slot] > t.keep {
		t.uncleared = append(t.uncleared, slot)
		return
	}
	t.putEmpty(slot)
}

// takeUncleared returns the slots whose memory the caller must clear and then
// return with putCleared.
func (t *slotTable) takeUncleared() []int {
	slots := t.uncleared
	t.uncleared = nil
	return slots
}

// putCleared takes back a slot of takeUncleared. cleared says whether its
// memory was cleared.
func (t *slotTable) putCleared(slot int, cleared bool) {
	if !cleared {
		t.putEmpty(slot)
		return
	}
	t.memory[slot] = 0
	t.empty = slices.Insert(t.empty, 0, slot) // slots with memory are granted first
	t.refillGrants()
}

func (t *slotTable) putEmpty(slot int) {
	t.kept += t.memory[slot]
	t.empty = append(t.empty, slot)
	t.refillGrants()
}

// refillGrants grants empty slots to tasks with too few.
func (t *slotTable) refillGrants() {
	for g := range t.grants {
		t.refillGrant(g)
	}
}

// takeSlot removes and returns the empty slot that was returned last. It has
// memory, and may still be in the processor's cache.
func (t *slotTable) takeSlot() (slot int, ok bool) {
	if len(t.empty) == 0 {
		return 0, false
	}
	slot = t.empty[len(t.empty)-1]
	t.empty = t.empty[:len(t.empty)-1]
	t.kept -= t.memory[slot]
	return slot, true
}
