package arrays

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

func ReleaseArrays(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// Buffer is a byte buffer that grows. The zero Buf is empty.
type Buffer struct {
	Mem memory.Allocator
	Buf *memory.Buffer
}

// Extend appends n bytes and returns them. Their content is undefined: the
// caller sets it.
func (g *Buffer) Extend(n int) []byte {
	have := g.Len()
	g.ensureRoom(n)
	g.Buf.ResizeNoShrink(have + n)
	return g.Buf.Bytes()[have:]
}

func (g *Buffer) Len() int {
	if g.Buf == nil {
		return 0
	}
	return g.Buf.Len()
}

func (g *Buffer) ensureRoom(n int) {
	if g.Buf == nil {
		g.Buf = memory.NewResizableBuffer(g.Mem)
		g.Buf.Reserve(roundUp(n))
	}
	if need := g.Buf.Len() + n; need > g.Buf.Cap() {
		g.Buf.Reserve(roundUp(max(need, 2*g.Buf.Cap())))
	}
}

// roundUp returns n or up to an eighth more. So batches of slightly different
// sizes ask the allocator for the same size.
func roundUp(n int) int {
	if n <= 64 {
		return n
	}
	step := 1 << (bits.Len(uint(n)) - 4)
	return (n + step - 1) &^ (step - 1)
}

// Reserve makes room for n bytes: at most codec.MaxBatchBytes.
func (g *Buffer) Reserve(n int) { g.ensureRoom(min(n, codec.MaxBatchBytes)) }

// Detach returns the buffer and forgets it. The caller releases it. It is never
// nil.
func (g *Buffer) Detach() *memory.Buffer {
	g.ensureRoom(0)
	buf := g.Buf
	g.Buf = nil
	return buf
}

func (g *Buffer) Release() {
	if g.Buf != nil {
		g.Buf.Release()
		g.Buf = nil
	}
}

// ArrayData builds array data and takes over the references to children and
// buffers.
func ArrayData(dt arrow.DataType, n, nulls int, children []arrow.ArrayData, buffers ...*memory.Buffer) arrow.ArrayData {
	data := array.NewData(dt, n, buffers, children, nulls, 0)
	for _, b := range buffers {
		if b != nil {
			b.Release()
		}
	}
	for _, c := range children {
		c.Release()
	}
	return data
}
