package feed

import "slices"

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

// slotTable says who may use each slot of a feed's shared memory. A slot is, at
// any time, in one state:
//   - empty, or empty and not cleared yet;
//   - granted: one feed task alone writes it;
//   - used: nobody writes it; its chunk is queued, or the program looks at it;
//   - lost: the task to which it was granted was cut off and may be writing still.
//
// It is not safe for concurrent use: queue.mu guards it. It never touches the
// memory and never waits: grants go into outboxes.
type slotTable struct {
	empty     []int            // the one given back last is last, and is taken first
	uncleared []int            // empty ones whose memory the caller must clear
	memory    [slotCount]int64 // bytes of memory that a slot has
	kept      int64            // sum of memory of empty slots
	keep      int64            // highest value of kept
	grants    map[*slotGrant]struct{}
}

// slotGrant is the slots that one feed task may write.
type slotGrant struct {
	slots []int
	out   *outbox // takes the numbers to the feed task
}

// newSlotTable has all slots empty. Empty slots keep some memory, keep bytes at
// most: clearing pages anew costs as much as a socket.
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

// refillGrant grants a task the slots that it may write ahead, where its grant is
// open.
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

// useSlot says that a task wrote a chunk into a slot. false: the slot was not
// granted to it.
func (t *slotTable) useSlot(g *slotGrant, slot int) bool {
	at := slices.Index(g.slots, slot)
	if at < 0 {
		return false
	}
	g.slots = slices.Delete(g.slots, at, at+1)
	return true
}

// closeGrant grants a task no more: it reads nothing after its END.
func (t *slotTable) closeGrant(g *slotGrant) { delete(t.grants, g) }

// removeGrant is for a task that is gone. hungUp: it ended the connection itself,
// and is sure to write no more. The slots of one that was cut off are lost.
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

// takeUncleared is the slots whose memory the caller clears, and then puts back
// with putCleared.
func (t *slotTable) takeUncleared() []int {
	slots := t.uncleared
	t.uncleared = nil
	return slots
}

// putCleared takes back a slot that has no memory any more. cleared false: it
// could not be cleared.
func (t *slotTable) putCleared(slot int, cleared bool) {
	if !cleared {
		t.putEmpty(slot)
		return
	}
	t.memory[slot] = 0
	t.empty = slices.Insert(t.empty, 0, slot) // those that have memory are taken first
	t.refillGrants()
}

func (t *slotTable) putEmpty(slot int) {
	t.kept += t.memory[slot]
	t.empty = append(t.empty, slot)
	t.refillGrants()
}

// refillGrants gives empty slots to tasks that have too few.
func (t *slotTable) refillGrants() {
	for g := range t.grants {
		t.refillGrant(g)
	}
}

// takeSlot is an empty slot: the one given back last, which has memory and is
// perhaps still in the processor's cache.
func (t *slotTable) takeSlot() (slot int, ok bool) {
	if len(t.empty) == 0 {
		return 0, false
	}
	slot = t.empty[len(t.empty)-1]
	t.empty = t.empty[:len(t.empty)-1]
	t.kept -= t.memory[slot]
	return slot, true
}
