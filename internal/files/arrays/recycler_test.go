package arrays

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

func TestRecycler(t *testing.T) {
	below := memory.NewCheckedAllocator(memory.NewGoAllocator())
	r := &Recycler{Allocator: below}
	large := r.Allocate(100_000)
	small := r.Allocate(100)
	first := &large[0]
	r.Free(small)
	r.Free(large)
	if b := r.Allocate(90_000); &b[0] != first || len(b) != 90_000 {
		t.Errorf("%d bytes, not those that were freed", len(b))
	} else {
		b[5] = 7
		grown := r.Reallocate(cap(b)+1, b)
		if grown[5] != 7 || &grown[0] == first {
			t.Error("the contents did not come along")
		}
		if again := r.Allocate(80_000); &again[0] != first {
			t.Error("memory that was grown out of is not kept")
		}
		r.Free(grown)
	}
	if b := r.Allocate(70_000); &b[0] == first {
		t.Error("memory in use was given out again")
	}
	if b := r.Allocate(20 * minRecycled); cap(b) < 20*minRecycled {
		t.Errorf("%d bytes", cap(b))
	}
	huge := make([]byte, maxRecycled+1)
	r.Allocator = memory.NewGoAllocator() // the checked one does not know huge
	r.Free(huge)
	if r.freeBytes > maxRecycled {
		t.Errorf("%d bytes are kept", r.freeBytes)
	}
}

// sameMemory reports whether a and b start at the same address.
func sameMemory(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }

func TestExactRecyclerGivesMemoryAgain(t *testing.T) {
	r := &Recycler{Allocator: memory.DefaultAllocator, Exact: true}
	first := r.Allocate(1 << 20)
	first[3] = 7
	if second := r.Allocate(1 << 20); sameMemory(first, second) {
		t.Fatal("memory that is in use was given away")
	}
	r.Free(first[:10]) // like a buffer that shrank
	if other := r.Allocate(1<<20 - 64); sameMemory(first, other) || cap(other) != len(other) {
		t.Errorf("got %d bytes with room for %d", len(other), cap(other))
	}
	again := r.Allocate(1 << 20)
	if !sameMemory(first, again) || len(again) != 1<<20 {
		t.Errorf("got %d other bytes", len(again))
	}
	if !bytes.Equal(again, make([]byte, len(again))) {
		t.Error("it is not zero")
	}
	if other := r.Allocate(1 << 20); sameMemory(first, other) {
		t.Error("memory that is in use was given away")
	}
}

func TestExactRecyclerReallocates(t *testing.T) {
	r := &Recycler{Allocator: memory.DefaultAllocator, Exact: true}
	b := r.Allocate(128 << 10)
	copy(b, "rows")
	if shrunk := r.Reallocate(10, b); !sameMemory(b, shrunk) || len(shrunk) != 10 {
		t.Errorf("got %d other bytes", len(shrunk))
	}
	grown := r.Reallocate(200<<10, b[:10])
	if sameMemory(b, grown) || !bytes.Equal(grown, append([]byte("rows"), make([]byte, 200<<10-4)...)) {
		t.Error("larger memory has other content")
	}
	if !sameMemory(b, r.Allocate(128<<10)) {
		t.Error("the smaller memory is not used again")
	}
}

// Kept memory is bounded, even if cells fill all memory. Memory of old lengths
// does not displace new memory.
func TestExactRecyclerKeepsSoMuch(t *testing.T) {
	r := &Recycler{Allocator: memory.DefaultAllocator, Exact: true}
	var all [][]byte
	for range 4 {
		all = append(all, r.Allocate(maxRecycled/4))
	}
	all = append(all, r.Allocate(maxRecycled+64), r.Allocate(0))
	for _, b := range all {
		r.Free(b)
	}
	if r.freeBytes != maxRecycled {
		t.Errorf("%d bytes are kept", r.freeBytes)
	}
	b := r.Allocate(minRecycled)
	r.Free(b)
	if r.freeBytes != minRecycled || !sameMemory(b, r.Allocate(minRecycled)) {
		t.Errorf("%d bytes are kept", r.freeBytes)
	}
	if r.freeBytes != 0 {
		t.Errorf("%d bytes are kept, and none", r.freeBytes)
	}
}

// TestUncleared: memory that is not cleared is as long as it was, goes back to the same
// Recycler, and is cleared for everyone else.
func TestUncleared(t *testing.T) {
	r := &Recycler{Allocator: memory.DefaultAllocator, Exact: true}
	raw := Uncleared(r)
	first := raw.Allocate(1 << 20)
	first[3] = 7
	raw.Free(first)
	again := raw.Allocate(1 << 20)
	if !sameMemory(first, again) || again[3] != 7 || cap(again) != 1<<20 {
		t.Fatalf("got %d bytes with room for %d that begin with %v", len(again), cap(again), again[:4])
	}
	grown := raw.Reallocate(2<<20, again)
	if grown[3] != 7 || len(grown) != 2<<20 {
		t.Error("the contents did not come along")
	}
	if cleared := r.Allocate(1 << 20); !sameMemory(first, cleared) || cleared[3] != 0 {
		t.Error("who wants cleared memory got none, or other memory")
	}
	for _, other := range []memory.Allocator{memory.DefaultAllocator, &Recycler{Allocator: memory.DefaultAllocator}} {
		if Uncleared(other) != other {
			t.Errorf("%T is another allocator", other)
		}
	}
}
