package batches

import (
	"context"
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/files"
	"tfos/internal/train"
)

// chunksAhead is how many chunks are on their way from the member.
const chunksAhead = 6

// Batches is a feed that is read once: its epochs follow each other. It implements
// train.Batches. Batches cross the borders of chunks and epochs; only the last one
// may be short. In a synchronous feed it ends after the same number of batches on
// every worker. One goroutine calls Next. Stop may be called by another one.
type Batches struct {
	chunks  *feed.Chunks
	reading *reading

	mu   sync.Mutex // guards pace
	pace pace
}

// Open attaches a connection for a feed to the member at socketPath (TFOS_SOCKET).
// ctx bounds the attempt only. The caller closes Batches.
func Open(ctx context.Context, socketPath, name string, last LastBatch) (*Batches, error) {
	return open(ctx, socketPath, name, last, newMemory())
}

// newMemory returns an allocator for batches. It keeps the memory of earlier ones.
func newMemory() memory.Allocator { return &files.Recycler{Allocator: memory.DefaultAllocator} }

func open(ctx context.Context, socketPath, name string, last LastBatch, mem memory.Allocator) (*Batches, error) {
	chunks, err := feed.OpenChunks(ctx, socketPath, name, chunksAhead)
	if err != nil {
		return nil, err
	}
	l := newLoader(chunks.Config(), chunks.Context().WorkerNum, mem, last, chunks.Next)
	return &Batches{chunks: chunks, reading: startReading(chunks, l)}, nil
}

// Next implements train.Batches. The rows count as trained.
func (b *Batches) Next(ctx context.Context) (train.Batch, error) {
	batch, err := b.reading.next(ctx)
	if err != nil {
		b.tellEnd()
		return train.Batch{}, err
	}
	waited := min(b.reading.waited, b.chunks.Waited()) // else for the loader, not for the feed
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pace.addBatch(batch.Rows.NumRows(), waited+b.reading.heldBack)
	b.tellPace(false)
	return batch, nil
}

// LeftOut implements train.Batches.
func (b *Batches) LeftOut() int64 { return b.reading.leftOut() }

// tellPace reports the pace when it is time for that, or now. If it cannot, the
// connection has ended, and the next report of rows says so. The caller holds mu.
func (b *Batches) tellPace(now bool) {
	if report, due := b.pace.report(now); due {
		_ = b.chunks.Pace(report)
	}
}

// tellEnd reports all that was counted. The member may have ended the connection:
// then nobody counts.
func (b *Batches) tellEnd() {
	_ = b.chunks.FlushTrained()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tellPace(true)
}

// Stop implements train.Batches. Next returns io.EOF from now on.
func (b *Batches) Stop() error {
	err := b.chunks.Terminate()
	b.reading.stopReading()
	b.tellEnd()
	return err
}

// Close ends the connection. Rows that Next has not returned count as dropped.
// Records that were returned stay valid.
func (b *Batches) Close() error {
	b.reading.stopReading()
	b.tellEnd()
	return b.chunks.Close()
}
