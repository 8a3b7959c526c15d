package infer

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

const (
	// recycleFrom is the least size of memory that is worth keeping, recycleMost
	// bounds what is kept.
	recycleFrom = 64 << 10
	recycleMost = 64 << 20
)

// recycler is an allocator that gives freed memory out again, not cleared. New
// memory for each record of a stream costs more than its copy: Go clears it, the
// kernel maps it, and the collector runs for every few megabytes of garbage.
// Memory that nobody frees is the collector's. Safe for concurrent use.
type recycler struct {
	memory.Allocator
	mu   sync.Mutex
	free [][]byte
	held int // bytes in free
}

func newRecycler(from memory.Allocator) *recycler { return &recycler{Allocator: from} }

// Allocate takes the smallest kept memory that is large enough, and not twice as
// large.
func (r *recycler) Allocate(size int) []byte {
	if b := r.take(size); b != nil {
		return b
	}
	return r.Allocator.Allocate(size)
}

func (r *recycler) take(size int) []byte {
	if size < recycleFrom {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	best := -1
	for i, b := range r.free {
		if cap(b) >= size && cap(b) <= 2*size && (best < 0 || cap(b) < cap(r.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	b, last := r.free[best], len(r.free)-1
	r.free[best], r.free = r.free[last], r.free[:last]
	r.held -= cap(b)
	return b[:size]
}

// Reallocate keeps the contents.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	larger := r.Allocate(size)
	copy(larger, b)
	r.Free(b)
	return larger
}

// Free keeps memory for the next who asks.
func (r *recycler) Free(b []byte) {
	r.mu.Lock()
	keep := cap(b) >= recycleFrom && r.held+cap(b) <= recycleMost
	if keep {
		r.free = append(r.free, b[:0])
		r.held += cap(b)
	}
	r.mu.Unlock()
	if !keep {
		r.Allocator.Free(b)
	}
}
