package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

// seenRows is what consumers took, by epoch and partition. Several consumers
// may share one.
type seenRows struct {
	mu     sync.Mutex
	rows   map[[2]int]*ranges
	order  map[[2]int]int64 // first row seen last, by partition
	total  int64
	faults []string
}

func newSeenRows() *seenRows {
	return &seenRows{rows: map[[2]int]*ranges{}, order: map[[2]int]int64{}}
}

func (s *seenRows) addBatch(b *Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	partition, rows := parseChunk(b.Data, b.Rows)
	if b.Partition != partition || b.FirstRow != rows.first {
		s.faults = append(s.faults, fmt.Sprintf("rows %v of partition %d came as row %d of partition %d",
			rows, partition, b.FirstRow, b.Partition))
	}
	key := [2]int{b.Epoch, partition}
	if s.rows[key] == nil {
		s.rows[key] = &ranges{}
	}
	if n := s.rows[key].overlap(rows); n > 0 {
		s.faults = append(s.faults, fmt.Sprintf("epoch %d, partition %d: %d rows of %v twice", b.Epoch, partition, n, rows))
	}
	s.rows[key].addSpan(rows)
	s.total += rows.rows()
}

// check fails the test unless every row of every partition arrived exactly
// once.
func (s *seenRows) check(t *testing.T, epochs, partitions int, rows int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		t.Error(f)
	}
	if want := int64(epochs) * int64(partitions) * rows; s.total != want {
		t.Errorf("%d rows, want %d", s.total, want)
	}
	for e := range epochs {
		for p := range partitions {
			r := s.rows[[2]int{e, p}]
			if r == nil || len(r.spans) != 1 || r.spans[0] != (span{0, rows}) {
				t.Errorf("epoch %d, partition %d: rows %v", e, p, r)
			}
		}
	}
}

// consumer takes a whole feed of one member. before is called before each
// chunk.
type consumer struct {
	done   chan struct{}
	rows   map[int]int64 // by epoch
	total  int64
	ends   []EpochEnd
	bytes  []string // schemas, each change
	err    error
	before func(b *Chunk)
}

// consume starts a program that takes all rows and reports them as trained.
func consume(t *testing.T, m *testMember, feed string, seen *seenRows, before func(*Chunk)) *consumer {
	t.Helper()
	c := &consumer{done: make(chan struct{}), rows: map[int]int64{}, before: before}
	in, err := OpenChunks(t.Context(), m.children, feed, 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); <-c.done })
	go func() {
		defer close(c.done)
		defer in.Close()
		c.err = c.run(ctx, in, seen)
	}()
	return c
}

func (c *consumer) run(ctx context.Context, in *Chunks, seen *seenRows) error {
	for {
		b, end, err := in.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b == nil {
			c.ends = append(c.ends, end)
			continue
		}
		if c.before != nil {
			c.before(b)
		}
		if len(c.bytes) == 0 || c.bytes[len(c.bytes)-1] != string(b.Schema) {
			c.bytes = append(c.bytes, string(b.Schema))
		}
		seen.addBatch(b)
		b.Release()
		c.rows[b.Epoch] += int64(b.Rows)
		c.total += int64(b.Rows)
		if err := in.Trained(b.Epoch, c.rows[b.Epoch]); err != nil {
			return err
		}
	}
}

func (c *consumer) wait(t *testing.T) {
	t.Helper()
	<-c.done
	if c.err != nil {
		t.Errorf("consumer: %v", c.err)
	}
}
