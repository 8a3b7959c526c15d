package infer

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

func TestRecycler(t *testing.T) {
	below := memory.NewCheckedAllocator(memory.NewGoAllocator())
	r := newRecycler(below)
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
	if b := r.Allocate(20 * recycleFrom); cap(b) < 20*recycleFrom {
		t.Errorf("%d bytes", cap(b))
	}
	huge := make([]byte, recycleMost+1)
	r.Allocator = memory.NewGoAllocator() // the checked one does not know huge
	r.Free(huge)
	if r.held > recycleMost {
		t.Errorf("%d bytes are kept", r.held)
	}
}
