package codec

import (
	"fmt"
	"io"
	"sync"
)

// Piece is a range of a file.
type Piece struct{ Offset, Size int64 }

// Limits of what one reader of a file holds in memory, in bytes.
const (
	aheadMost  = 48 << 20  // of all blocks that its columns have read ahead
	blockLeast = 512 << 10 // of one block, where there are many columns
)

// aheadBlocks is how many blocks are on their way while one is used.
const aheadBlocks = 2

// InOrder returns a reader of pieces of the file that the caller reads from their begin to
// their end, one after the other. From a remote store it reads large blocks, and the next
// blocks before they are asked for: a call takes as long to begin as the transfer of much
// data. sharers is how many readers of this file share the memory for that. Of a local
// file it is the file itself.
func (s *Source) InOrder(pieces []Piece, sharers int) io.ReaderAt {
	if s.Block == 0 {
		return s
	}
	a := &ahead{source: s, most: aheadBlocks}
	size := min(s.Block, aheadMost/int64(sharers*(1+aheadBlocks)))
	if size < blockLeast {
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
}

// blocks is memory that earlier blocks used. New memory is a page fault every 4 KiB.
var blocks sync.Pool

func newBlock(size int64) []byte {
	if old, _ := blocks.Get().(*[]byte); old != nil && int64(cap(*old)) >= size {
		return (*old)[:size]
	}
	return make([]byte, size)
}

func freeBlock(data []byte) { blocks.Put(&data) }

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
