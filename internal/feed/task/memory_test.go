package task

import (
	"bytes"
	"testing"
	"unsafe"
)

// same says that b is in the memory of a.
func same(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }

func TestRecyclerGivesMemoryAgain(t *testing.T) {
	r := &recycler{}
	first := r.Allocate(1 << 20)
	first[3] = 7
	if second := r.Allocate(1 << 20); same(first, second) {
		t.Fatal("memory that is in use was given away")
	}
	r.Free(first)
	again := r.Allocate(1<<20 - 1000) // about as large
	if !same(first, again) || len(again) != 1<<20-1000 {
		t.Errorf("got %d other bytes", len(again))
	}
	if !bytes.Equal(again, make([]byte, len(again))) {
		t.Error("it is not zero")
	}
	if other := r.Allocate(1 << 20); same(first, other) {
		t.Error("memory that is in use was given away")
	}
	r.Free(again)
	if small := r.Allocate(100); same(first, small) {
		t.Error("a large piece of memory serves for a small one")
	}
}

func TestRecyclerReallocates(t *testing.T) {
	r := &recycler{}
	b := r.Allocate(1000)
	for i := range b {
		b[i] = byte(i)
	}
	b = r.Reallocate(10, b)
	b = r.Reallocate(1001, b) // has room
	want := append(bytes.Clone(b[:10]), make([]byte, 991)...)
	if !bytes.Equal(b, want) {
		t.Error("what it grew by is not zero")
	}
	grown := r.Reallocate(5000, b)
	if same(b, grown) || !bytes.Equal(grown, append(want, make([]byte, 5000-1001)...)) {
		t.Error("larger memory has other content")
	}
	if !same(b, r.Allocate(1000)) {
		t.Error("the smaller memory is not used again")
	}
}

// A row may be as large as memory: what is kept is bounded.
func TestRecyclerKeepsSoMuch(t *testing.T) {
	r := &recycler{}
	var all [][]byte
	for range 5 {
		all = append(all, r.Allocate(memoryKept/4))
	}
	all = append(all, r.Allocate(2*memoryKept), r.Allocate(0))
	for _, b := range all {
		r.Free(b)
	}
	if r.bytes > memoryKept || r.bytes < memoryKept/2 {
		t.Errorf("%d bytes are kept", r.bytes)
	}
	for range 5 {
		r.Allocate(memoryKept / 4)
	}
	if r.bytes != 0 {
		t.Errorf("%d bytes are kept, and none", r.bytes)
	}
}
