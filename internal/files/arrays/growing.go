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

// Buffer is a buffer that is appended to.
type Buffer struct {
	Mem memory.Allocator
	Buf *memory.Buffer
}

// Extend appends n bytes, whose content is for the caller to set.
func (g *Buffer) Extend(n int) []byte {
	have := g.Len()
	g.room(n)
	g.Buf.ResizeNoShrink(have + n)
	return g.Buf.Bytes()[have:]
}

func (g *Buffer) Len() int {
	if g.Buf == nil {
		return 0
	}
	return g.Buf.Len()
}

func (g *Buffer) room(n int) {
	if g.Buf == nil {
		g.Buf = memory.NewResizableBuffer(g.Mem)
		g.Buf.Reserve(rounded(n))
	}
	if need := g.Buf.Len() + n; need > g.Buf.Cap() {
		g.Buf.Reserve(rounded(max(need, 2*g.Buf.Cap())))
	}
}

// rounded is n or up to an eighth more, so that batches which differ a little ask
// their allocator for the same.
func rounded(n int) int {
	if n <= 64 {
		return n
	}
	step := 1 << (bits.Len(uint(n)) - 4)
	return (n + step - 1) &^ (step - 1)
}

// Reserve makes room for n bytes, codec.MaxBatchBytes at most.
func (g *Buffer) Reserve(n int) { g.room(min(n, codec.MaxBatchBytes)) }

// Give hands the buffer over; there always is one.
func (g *Buffer) Give() *memory.Buffer {
	g.room(0)
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

// ArrayData owns its buffers, which were the caller's.
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
