package codec

import (
	"bytes"
	"errors"
	"io"
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
	r := s.InOrder(pieces, 1)
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
	r := s.InOrder([]Piece{{0, 40 << 20}}, 1)
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

// TestInOrderMemory: many columns share the memory.
func TestInOrderMemory(t *testing.T) {
	for sharers, size := range map[int]int64{1: 4 << 20, 4: 4 << 20, 8: 2 << 20, 1000: blockLeast} {
		s, _ := remoteFile(40<<20, func(int64, int) error { return nil })
		a := s.InOrder([]Piece{{0, 40 << 20}}, sharers).(*ahead)
		if a.blocks[0].Size != size {
			t.Errorf("%d readers: blocks of %d bytes, want %d", sharers, a.blocks[0].Size, size)
		}
		if held := int64(sharers*(a.most+1)) * size; sharers < 30 && held > aheadMost {
			t.Errorf("%d readers hold %d bytes", sharers, held)
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
	r := s.InOrder([]Piece{{0, 40 << 20}}, 1)
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
