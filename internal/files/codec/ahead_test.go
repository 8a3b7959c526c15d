package codec

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// remoteFile is a source of a remote file of so many bytes, and its content. seen is called
// with the place and the size of each read.
func remoteFile(size int, seen func(offset int64, n int) error) (*Source, []byte) {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // it never fails
	return &Source{
		Size: int64(size), Block: 4 << 20, Ended: func() error { return nil },
		Read: func(p []byte, offset int64) (int, error) {
			if err := seen(offset, len(p)); err != nil {
				return 0, err
			}
			return bytes.NewReader(content).ReadAt(p, offset)
		},
	}, content
}

// TestInOrder: all bytes of the pieces come, and each is asked for once.
func TestInOrder(t *testing.T) {
	var mu sync.Mutex
	asked, reads := int64(0), 0
	s, content := remoteFile(40<<20, func(_ int64, n int) error {
		mu.Lock()
		defer mu.Unlock()
		asked += int64(n)
		reads++
		return nil
	})
	pieces := []Piece{{100, 9 << 20}, {9<<20 + 100, 5}, {20 << 20, 13 << 20}, {40<<20 - 7, 7}}
	r := s.InOrder(pieces, 0)
	total := int64(0)
	for _, piece := range pieces {
		got := make([]byte, piece.Size)
		for at, n := int64(0), int64(0); at < piece.Size; at += n {
			n = min(1+at/3, 1<<20, piece.Size-at)
			if k, err := r.ReadAt(got[at:at+n], piece.Offset+at); int64(k) != n || err != nil {
				t.Fatalf("%d bytes of %d at %d, %v", k, n, piece.Offset+at, err)
			}
		}
		if !bytes.Equal(got, content[piece.Offset:piece.Offset+piece.Size]) {
			t.Errorf("other bytes at %d", piece.Offset)
		}
		total += piece.Size
	}
	if asked != total || reads != 3+1+4+1 {
		t.Errorf("%d bytes in %d reads, want %d in 9", asked, reads, total)
	}
	if n, err := r.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after the pieces: %d bytes, %v", n, err)
	}
}

// TestInOrderIsAhead: the next blocks are on their way while one is used, and no more.
func TestInOrderIsAhead(t *testing.T) {
	var under, most atomic.Int64
	arrived, goOn := make(chan int64, 100), make(chan struct{})
	s, _ := remoteFile(40<<20, func(offset int64, _ int) error {
		if now := under.Add(1); now > most.Load() {
			most.Store(now)
		}
		arrived <- offset
		if offset > 0 {
			<-goOn
		}
		under.Add(-1)
		return nil
	})
	r := s.InOrder([]Piece{{0, 40 << 20}}, 0)
	if _, err := r.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	got := map[int64]bool{}
	for range 3 {
		select {
		case offset := <-arrived:
			got[offset] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v were asked for", got)
		}
	}
	if !got[0] || !got[4<<20] || !got[8<<20] {
		t.Errorf("asked for %v", got)
	}
	close(goOn)
	if _, err := r.ReadAt(make([]byte, 1), 40<<20-1); err != nil {
		t.Error(err)
	}
	s.reading.Wait()
	if most.Load() > aheadBlocks+1 {
		t.Errorf("%d blocks at a time", most.Load())
	}
}

// TestInOrderMemory: columns share the memory by their size. A column whose pieces fit into its
// part of it is read by one request a piece.
func TestInOrderMemory(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name   string
		pieces []Piece
		all    int64 // bytes of all columns
		size   int64 // of the first block
		most   int   // blocks ahead
	}{
		{"one column", []Piece{{0, 40 * mib}}, 40 * mib, 4 * mib, 2},
		{"beside a small column", []Piece{{0, 39 * mib}}, 40 * mib, 4 * mib, 2},
		{"a small column", []Piece{{0, 100}, {20 * mib, 300}}, 40 * mib, 100, 2},
		{"one of 8", []Piece{{0, 40 * mib}}, 320 * mib, 2 * mib, 2},
		{"one of 200 in a group of 16 MiB", []Piece{{0, 80_000}, {16 * mib, 80_000}}, 2 * 200 * 80_000, 80_000, 2},
		{"one of 1000 in large groups", []Piece{{0, 40 * mib}}, 40_000 * mib, blockLeast, 1},
		{"a wrong sum", []Piece{{0, 40 * mib}}, 0, 4 * mib, 2},
		{"an empty piece", []Piece{{0, 0}, {0, 40 * mib}}, 40 * mib, 4 * mib, 2},
	} {
		s, _ := remoteFile(40*mib, func(int64, int) error { return nil })
		a := s.InOrder(c.pieces, c.all).(*ahead)
		if a.blocks[0].Size != c.size || a.most != c.most {
			t.Errorf("%s: blocks of %d bytes, %d ahead; want %d, %d", c.name, a.blocks[0].Size, a.most, c.size, c.most)
		}
		own := int64(0)
		for _, p := range c.pieces {
			own += p.Size
		}
		part := float64(own) / float64(max(c.all, own)) * aheadMost
		if held := int64(1+a.most) * c.size; held > blockLeast && c.most > 1 && float64(held) > part {
			t.Errorf("%s: holds %d bytes of %.0f", c.name, held, part)
		}
	}
}

// TestInOrderFails: the error of a store is the error of the read, and of the file.
func TestInOrderFails(t *testing.T) {
	broken := errors.New("no such store")
	s, _ := remoteFile(40<<20, func(offset int64, _ int) error {
		if offset >= 8<<20 {
			return broken
		}
		return nil
	})
	r := s.InOrder([]Piece{{0, 40 << 20}}, 0)
	if _, err := r.ReadAt(make([]byte, 8<<20), 0); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadAt(make([]byte, 1), 8<<20); !errors.Is(err, broken) || !s.failed.Load() {
		t.Errorf("error %v", err)
	}
}

// TestTail: what a parser reads of the end of a remote file is one read.
func TestTail(t *testing.T) {
	reads := 0
	s, content := remoteFile(1<<20, func(int64, int) error { reads++; return nil })
	s.tail = sync.OnceValues(s.readTail)
	for _, n := range []int{8, 700, tailBytes} {
		got := make([]byte, n)
		if _, err := s.ReadAt(got, int64(len(content)-n)); err != nil || !bytes.Equal(got, content[len(content)-n:]) {
			t.Errorf("the last %d bytes: %v", n, err)
		}
	}
	if reads != 1 {
		t.Errorf("%d reads", reads)
	}
	small, content := remoteFile(100, func(int64, int) error { return nil })
	small.tail = sync.OnceValues(small.readTail)
	got := make([]byte, 40)
	if _, err := small.ReadAt(got, 30); err != nil || !bytes.Equal(got, content[30:70]) {
		t.Errorf("a small file: %v", err)
	}
}

// TestFirstRead: what opening a split reads.
func TestFirstRead(t *testing.T) {
	for _, c := range []struct{ offset, length, begin, size int64 }{
		{0, 1000, 0, 1000},
		{0, splitMost, 0, splitMost},
		{0, splitMost + 1, splitMost + 1 - tailBytes, tailBytes},
		{20 << 20, 5 << 20, 20 << 20, 5 << 20},
		{20 << 20, 10, 20<<20 + 10 - tailBytes, tailBytes}, // a footer may be all that follows
		{20 << 20, 0, 20<<20 - tailBytes, tailBytes},
		{0, 0, 0, 0},
		{0, math.MaxInt64, 0, 0},
		{7, math.MaxInt64 - 7, 0, 0},
	} {
		if got := firstRead(Split{Offset: c.offset, Length: c.length}); got.Size != c.size || got.Size > 0 && got.Offset != c.begin {
			t.Errorf("%d bytes from %d: %v, want %d from %d", c.length, c.offset, got, c.size, c.begin)
		}
	}
}

// TestHeld: what opening has read is not read again, and what is next to it is.
func TestHeld(t *testing.T) {
	reads := 0
	s, content := remoteFile(1<<20, func(int64, int) error { reads++; return nil })
	s.begun = Piece{1000, 5000}
	s.held = append(newBlock(5000)[:0], content[1000:6000]...)
	for _, c := range []struct {
		Piece
		reads int
	}{
		{Piece{1000, 5000}, 0}, {Piece{1000, 1}, 0}, {Piece{5999, 1}, 0}, {Piece{2000, 100}, 0},
		{Piece{999, 10}, 1}, {Piece{5999, 2}, 1}, {Piece{6000, 5}, 1}, {Piece{0, 100}, 1},
	} {
		reads = 0
		got := make([]byte, c.Size)
		if n, err := s.ReadAt(got, c.Offset); n != len(got) || err != nil || !bytes.Equal(got, content[c.Offset:c.Offset+c.Size]) || reads != c.reads {
			t.Errorf("%v: %d bytes in %d reads, %v", c.Piece, n, reads, err)
		}
	}
	if r := s.InOrder([]Piece{{1000, 10}, {2000, 4000}}, 0); r != s {
		t.Error("pieces in memory are read ahead")
	}
	if r := s.InOrder([]Piece{{1000, 10}, {2000, 4001}}, 0); r == s {
		t.Error("pieces that are not in memory are not read ahead")
	}
	s.freeAhead()
	if s.holds(Piece{1000, 1}) || s.held != nil {
		t.Error("memory is held after the end")
	}
}

// TestBlocks: memory is used again for blocks of about the same size only.
func TestBlocks(t *testing.T) {
	for _, size := range []int64{1, blockUnit, blockUnit + 1, 3 << 20, splitMost, splitMost + 1} {
		b := newBlock(size)
		if int64(len(b)) != size || int64(cap(b)) >= size+blockUnit {
			t.Errorf("%d bytes: %d, room for %d", size, len(b), cap(b))
		}
		freeBlock(b)
		if again := newBlock(size - 1 + size%2); int64(cap(again)) >= size+blockUnit {
			t.Errorf("%d bytes have room for %d", len(again), cap(again))
		}
	}
}
