package arrays

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

const (
	// Memory of less than minRecycled bytes is not kept. maxRecycled bounds all
	// kept memory: as much as the largest batch.
	minRecycled = 64 << 10
	maxRecycled = codec.MaxBatchBytes
)

// Recycler is an allocator that reuses freed memory. New memory for each record
// of a stream costs more than copying the record: Go clears it, the kernel maps
// it page by page, and garbage collections follow. The garbage collector frees
// memory that is never freed here. Recycler is safe for concurrent use.
type Recycler struct {
	memory.Allocator // allocates if nothing kept fits

	// Exact returns memory like Go's own: zeroed, and with no capacity beyond
	// its length. Arrow's compute kernels rely on both. Memory is then reused
	// only for its own length. Without Exact it is also reused for lengths down
	// to half of its own, and is not cleared.
	Exact bool

	mu        sync.Mutex
	free      [][]byte
	freeBytes int // bytes in free
}

// Allocate returns the smallest kept memory that fits, or new memory.
func (r *Recycler) Allocate(size int) []byte {
	b := r.takeFree(size)
	if b == nil {
		return r.Allocator.Allocate(size)
	}
	if r.Exact {
		clear(b)
	}
	return b
}

// Uncleared returns an allocator whose memory has undefined content if mem has memory to
// reuse. Whoever writes all of it before it is read saves the clearing. What it allocates may
// be freed by mem, and the other way round.
func Uncleared(mem memory.Allocator) memory.Allocator {
	if r, ok := mem.(*Recycler); ok && r.Exact {
		return uncleared{r}
	}
	return mem
}

// uncleared is a Recycler that does not clear.
type uncleared struct{ *Recycler }

// Allocate returns kept memory of the size, or new memory.
func (u uncleared) Allocate(size int) []byte {
	if b := u.takeFree(size); b != nil {
		return b
	}
	return u.Allocator.Allocate(size)
}

// Reallocate keeps the contents.
func (u uncleared) Reallocate(size int, b []byte) []byte {
	return reallocate(u, size, b)
}

func (r *Recycler) takeFree(size int) []byte {
	if size < minRecycled {
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
	r.freeBytes -= cap(b)
	return b[:size]
}

// Reallocate keeps the contents.
func (r *Recycler) Reallocate(size int, b []byte) []byte { return reallocate(r, size, b) }

func reallocate(mem memory.Allocator, size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	larger := mem.Allocate(size)
	copy(larger, b)
	mem.Free(b)
	return larger
}

// Free keeps memory for a later Allocate. If too much is kept, all memory kept
// before is dropped: its lengths are no longer in use.
func (r *Recycler) Free(b []byte) {
	size := cap(b)
	if size < minRecycled || size > maxRecycled {
		r.Allocator.Free(b)
		return
	}
	r.mu.Lock()
	var gone [][]byte
	if r.freeBytes+size > maxRecycled {
		gone, r.free, r.freeBytes = r.free, nil, 0
	}
	r.free = append(r.free, b[:0])
	r.freeBytes += size
	r.mu.Unlock()
	for _, b := range gone {
		r.Allocator.Free(b)
	}
}
