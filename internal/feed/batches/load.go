package batches

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/train"
)

// groupsAhead is how many groups of batches are made before they are asked for, besides
// the one that is being made.
const groupsAhead = 2

// source gives chunks and ends of epochs, as feed.Chunks.Next does.
type source func(context.Context) (*feed.Chunk, feed.EpochEnd, error)

// loader makes batches of chunks. One goroutine uses it.
type loader struct {
	cfg     feed.Config
	worker  int
	mem     memory.Allocator
	next    source
	decoder decoder
	shuffle *shuffle // nil: no row of the epoch is held
	stock   stock
	last    LastBatch
	dropped int64 // rows of a last batch that is not made
}

// LastBatch is what becomes of the last rows, if they are fewer than a batch.
type LastBatch int

const (
	ShortLastBatch LastBatch = iota // they are a short batch
	DropLastBatch                   // they are dropped, for a graph that takes whole batches only
)

func newLoader(cfg feed.Config, worker int, mem memory.Allocator, last LastBatch, next source) *loader {
	l := &loader{cfg: cfg, worker: worker, mem: mem, last: last, next: next}
	l.stock = stock{mem: mem, placed: !l.shuffles()}
	return l
}

func (l *loader) shuffles() bool { return l.cfg.ShuffleRows > 1 }

// run sends batches until the feed ends, and then the rest, which is less than a
// batch, or drops it. It ends early with ctx.
func (l *loader) run(ctx context.Context, out chan<- []batch) error {
	defer l.drop()
	size := max(1, int64(l.cfg.BatchRows))
	for last := false; !last; {
		chunk, end, err := l.next(ctx)
		if err != nil {
			return err
		}
		if chunk == nil {
			l.endEpoch()
			last = end.Last
		} else if err := l.addChunk(chunk); err != nil {
			return fmt.Errorf("feed %s, epoch %d, row %d of partition %d of the input: %w",
				l.cfg.Name, chunk.Epoch, chunk.FirstRow, chunk.Partition, err)
		}
		least := size // rows of a batch
		switch {
		case last && l.last == DropLastBatch:
			l.dropped = l.stock.rows % size
		case last:
			least = 1
		}
		for l.stock.rows >= least {
			if err := l.sendGroup(ctx, least, size, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendGroup sends the next batches of the stock together, each of least to size rows:
// those that share memory with the chunk that they are from, and at most one that is a
// copy. So a group needs little more memory than its chunk. A hand-over to the program's
// goroutine costs about 0.05 ms.
func (l *loader) sendGroup(ctx context.Context, least, size int64, out chan<- []batch) error {
	var group []batch
	for copied := false; l.stock.rows >= least; {
		rows := min(size, l.stock.rows)
		if l.stock.copies(rows) {
			if copied {
				break
			}
			copied = true
		}
		b, err := l.stock.cut(rows)
		if err != nil {
			releaseGroup(group)
			return fmt.Errorf("feed %s: %w", l.cfg.Name, err)
		}
		group = append(group, b)
	}
	select {
	case out <- group:
		return nil
	case <-ctx.Done():
		releaseGroup(group)
		return context.Cause(ctx)
	}
}

func releaseGroup(group []batch) {
	for _, b := range group {
		b.Rows.Release()
	}
}

func (l *loader) addChunk(c *feed.Chunk) error {
	record, err := l.decoder.decode(c.Schema, c.Data, c.Release)
	if err != nil {
		return err
	}
	if rows := int64(c.Rows); rows != record.NumRows() {
		whole := record
		record = whole.NewSlice(0, min(rows, whole.NumRows()))
		whole.Release()
	}
	if record.NumRows() == 0 {
		record.Release()
		return nil
	}
	p := newPiece(record, train.Place{Partition: c.Partition, First: c.FirstRow})
	if !l.shuffles() {
		l.stock.add(run{p, 0, record.NumRows(), c.Epoch})
		return nil
	}
	if l.shuffle == nil {
		l.shuffle = newShuffle(l.mem, l.cfg.ShuffleRows, l.cfg.ShuffleSeed, l.worker, c.Epoch)
	}
	runs, err := l.shuffle.push(p)
	l.stock.add(runs...)
	return err
}

// endEpoch moves the rows that the shuffle holds to the stock.
func (l *loader) endEpoch() {
	if l.shuffle != nil {
		l.stock.add(l.shuffle.flush()...)
		l.shuffle = nil
	}
}

func (l *loader) drop() {
	l.stock.drop()
	if l.shuffle != nil {
		l.shuffle.drop()
	}
}
