package arrays

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

const (
	// recycleFrom is the least size of memory that is worth keeping, recycleMost
	// bounds what is kept: as much as the largest batch has.
	recycleFrom = 64 << 10
	recycleMost = codec.MaxBatchBytes
)

// Recycler is an allocator that gives freed memory out again. New memory for each
// record of a stream costs more than its copy: Go clears it, the kernel maps it
// page by page, and the collector runs for every few megabytes of garbage. Memory
// that nobody frees is the collector's. Safe for concurrent use.
type Recycler struct {
	memory.Allocator // of what is not there

	// Exact gives memory as Go's own is: zero, and without room beyond its length,
	// which Arrow's kernels rely on. So memory serves for its own length only. Else
	// it serves for half of that too, and is not cleared.
	Exact bool

	mu   sync.Mutex
	free [][]byte
	held int // bytes in free
}

// Allocate takes the smallest kept memory that fits.
func (r *Recycler) Allocate(size int) []byte {
	b := r.take(size)
	if b == nil {
		return r.Allocator.Allocate(size)
	}
	if r.Exact {
		clear(b)
	}
	return b
}

func (r *Recycler) take(size int) []byte {
	if size < recycleFrom {
		return nil
	}
	most := 2 * size
	if r.Exact {
		most = size
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	best := -1
	for i, b := range r.free {
		if cap(b) >= size && cap(b) <= most && (best < 0 || cap(b) < cap(r.free[best])) {
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
func (r *Recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	larger := r.Allocate(size)
	copy(larger, b)
	r.Free(b)
	return larger
}

// Free keeps memory for the next who asks. When too much is kept, that goes: it is
// of lengths that nobody asks for any more.
func (r *Recycler) Free(b []byte) {
	size := cap(b)
	if size < recycleFrom || size > recycleMost {
		r.Allocator.Free(b)
		return
	}
	r.mu.Lock()
	var gone [][]byte
	if r.held+size > recycleMost {
		gone, r.free, r.held = r.free, nil, 0
	}
	r.free = append(r.free, b[:0])
	r.held += size
	r.mu.Unlock()
	for _, b := range gone {
		r.Allocator.Free(b)
	}
}
