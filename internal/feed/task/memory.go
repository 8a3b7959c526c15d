package task

import (
	"math/bits"
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// memoryKept is how many bytes of released batches a recycler keeps at most: as
// many as the largest batch has.
const memoryKept = 64 << 20

// recycler allocates batches in the memory of those that were released before.
// New memory for each costs a fault for every page, which is half as much as
// reading the rows. What it gives is zero, as Go's own is.
type recycler struct {
	mu    sync.Mutex
	kept  map[int][][]byte // by capacity
	bytes int              // of kept
}

// Allocate is memory.Allocator's.
func (r *recycler) Allocate(size int) []byte {
	room := sizeClass(size)
	b := r.take(room)
	if b == nil {
		return memory.DefaultAllocator.Allocate(room)[:size:room]
	}
	clear(b[:size])
	return b[:size]
}

func (r *recycler) take(room int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.kept[room]
	if len(free) == 0 {
		return nil
	}
	b := free[len(free)-1]
	r.kept[room] = free[:len(free)-1]
	r.bytes -= room
	return b
}

// Reallocate is memory.Allocator's.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		if size > len(b) {
			clear(b[len(b):size])
		}
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

// Free is memory.Allocator's.
func (r *recycler) Free(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := cap(b)
	if room == 0 || r.bytes+room > memoryKept {
		return
	}
	if r.kept == nil {
		r.kept = map[int][][]byte{}
	}
	r.kept[room] = append(r.kept[room], b)
	r.bytes += room
}

// sizeClass is the capacity that size bytes get: at most an eighth more, so that
// batches whose columns differ a little in size share memory.
func sizeClass(size int) int {
	if size <= 64 {
		return size
	}
	step := 1 << (bits.Len(uint(size)) - 4)
	return (size + step - 1) &^ (step - 1)
}
