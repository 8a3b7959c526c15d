package codec

import (
	"fmt"
	"io"
	"slices"
	"sync"
)

// Piece is a range of a file.
type Piece struct{ Offset, Size int64 }

// Limits of what one reader of a file holds in memory, in bytes.
const (
	aheadMost  = 48 << 20  // of all blocks that its columns have read ahead
	blockLeast = 512 << 10 // of the blocks of one column, where there are many columns
)

// aheadBlocks is how many blocks are on their way while one is used.
const aheadBlocks = 2

// InOrder returns a reader of pieces of the file that the caller reads from their begin to
// their end, one after the other. From a remote store it reads large blocks, and the next
// blocks before they are asked for: a call takes as long to begin as the transfer of much
// data. all are the bytes that all readers of this file read, and share the memory for that.
// Where reads cost little, it is the file itself: of a local file, and of pieces that are in
// memory.
func (s *Source) InOrder(pieces []Piece, all int64) io.ReaderAt {
	if s.Block == 0 || !slices.ContainsFunc(pieces, func(p Piece) bool { return !s.holds(p) }) {
		return s
	}
	a := &ahead{source: s, most: aheadBlocks}
	own, largest := int64(0), int64(0)
	for _, piece := range pieces {
		own, largest = own+piece.Size, max(largest, piece.Size)
	}
	share := float64(own) / float64(max(1, own, all))
	size := min(s.Block, int64(share*aheadMost)/(1+aheadBlocks))
	switch {
	case (1+aheadBlocks)*largest <= blockLeast:
		size = largest
	case size < min(largest, blockLeast):
		size, a.most = blockLeast, 1 // nothing is on its way while a block is used
	}
	for _, piece := range pieces {
		end := min(piece.Offset+piece.Size, s.Size)
		for at := piece.Offset; at < end; at += size {
			a.blocks = append(a.blocks, Piece{at, min(size, end-at)})
		}
	}
	s.ahead = append(s.ahead, a)
	return a
}

// freeAhead gives the memory of all readers back. Nobody reads from them any more.
func (s *Source) freeAhead() {
	for _, a := range s.ahead {
		for _, b := range append(a.coming, a.now) {
			if b != nil {
				freeBlock(b.data)
			}
		}
		a.now, a.coming, a.blocks = nil, nil, nil
	}
	if s.held != nil {
		freeBlock(s.held)
		s.held, s.begun = nil, Piece{}
	}
}

// freeBlocks is memory that earlier blocks used, by its size in units of blockUnit. New memory is
// a page fault every 4 KiB.
var freeBlocks [splitMost/blockUnit + 1]sync.Pool

// blockUnit is what sizes of blocks are rounded up to, so that blocks of files of about one size
// share memory.
const blockUnit = 256 << 10

func newBlock(size int64) []byte {
	units := (size + blockUnit - 1) / blockUnit
	if units >= int64(len(freeBlocks)) {
		return make([]byte, size)
	}
	if old, _ := freeBlocks[units].Get().(*[]byte); old != nil {
		return (*old)[:size]
	}
	return make([]byte, size, units*blockUnit)
}

// freeBlock gives memory of newBlock back.
func freeBlock(data []byte) {
	if units := cap(data) / blockUnit; cap(data)%blockUnit == 0 && units < len(freeBlocks) {
		freeBlocks[units].Put(&data)
	}
}

// ahead reads blocks before they are asked for. It serves one caller.
type ahead struct {
	source *Source
	most   int     // blocks that are on their way
	blocks []Piece // not yet asked for
	coming []*block
	now    *block
}

// block is a piece of the file. Its bytes are there when done is closed.
type block struct {
	Piece
	data []byte
	err  error
	done chan struct{}
}

// ReadAt implements io.ReaderAt.
func (a *ahead) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if a.now == nil || at >= a.now.Offset+a.now.Size {
			if !a.advance() {
				return n, fmt.Errorf("byte %d is in none of the pieces to read: %w", at, io.ErrUnexpectedEOF)
			}
			continue
		}
		if at < a.now.Offset {
			return n, fmt.Errorf("byte %d is before the block at %d: %w", at, a.now.Offset, io.ErrUnexpectedEOF)
		}
		<-a.now.done
		if a.now.err != nil {
			return n, a.now.err
		}
		n += copy(p[n:], a.now.data[at-a.now.Offset:])
	}
	return n, nil
}

// advance makes the next block the current one, and asks for those after it. It reports
// whether there is one.
func (a *ahead) advance() bool {
	if a.now != nil {
		<-a.now.done
		freeBlock(a.now.data)
		a.now = nil
	}
	a.ask(1)
	if len(a.coming) == 0 {
		return false
	}
	a.now, a.coming = a.coming[0], a.coming[1:]
	if a.most > 1 {
		a.ask(a.most)
	}
	return true
}

// ask has so many blocks on their way, if there are so many.
func (a *ahead) ask(most int) {
	for len(a.coming) < most && len(a.blocks) > 0 {
		b := &block{Piece: a.blocks[0], data: newBlock(a.blocks[0].Size), done: make(chan struct{})}
		a.blocks = a.blocks[1:]
		a.coming = append(a.coming, b)
		a.source.reading.Go(func() {
			defer close(b.done)
			_, b.err = a.source.ReadAt(b.data, b.Offset)
		})
	}
}
