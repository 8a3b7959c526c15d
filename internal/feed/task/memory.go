package task

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// memoryKept is how many bytes of released batches a recycler keeps at most: as
// many as the largest batch has.
const memoryKept = 64 << 20

// recycler allocates batches in the memory of those that were released before.
// New memory for each costs a fault for every page, which is half as much as
// reading the rows. As Go's own, what it gives is zero and has no room beyond its
// length, which Arrow's kernels rely on: a piece serves again for the same length.
type recycler struct {
	mu    sync.Mutex
	kept  map[int][][]byte // by length
	bytes int              // of kept
}

// Allocate is memory.Allocator's.
func (r *recycler) Allocate(size int) []byte {
	if b := r.take(size); b != nil {
		clear(b)
		return b
	}
	return memory.DefaultAllocator.Allocate(size)
}

func (r *recycler) take(size int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.kept[size]
	if len(free) == 0 {
		return nil
	}
	b := free[len(free)-1]
	r.kept[size] = free[:len(free)-1]
	r.bytes -= size
	return b
}

// Reallocate is memory.Allocator's.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

// Free is memory.Allocator's. When too much is kept, that goes: it is of lengths
// that nobody asks for any more.
func (r *recycler) Free(b []byte) {
	size := cap(b)
	if size == 0 || size > memoryKept {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || r.bytes+size > memoryKept {
		r.kept, r.bytes = map[int][][]byte{}, 0
	}
	r.kept[size] = append(r.kept[size], b[:size])
	r.bytes += size
}
