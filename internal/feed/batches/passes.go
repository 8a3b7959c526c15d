package batches

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/train"
)

// Passes is a feed of one epoch whose rows are read again and again: validation
// rows. From its creation a goroutine takes all rows as they come and keeps them in
// a file, so that the member's queue never fills. Rows count as trained once.
type Passes struct {
	chunks    *feed.Chunks
	mem       memory.Allocator
	last      LastBatch
	recording *recording
	done      chan struct{} // closed when the recording is complete, or has failed
	err       error         // why it failed; read after done is closed
	cancel    context.CancelFunc
}

// OpenPasses is Open for such a feed. folder is where the file is. It needs the room
// of the whole feed. Nothing stays in it.
func OpenPasses(ctx context.Context, socketPath, name, folder string, last LastBatch) (*Passes, error) {
	return openPasses(ctx, socketPath, name, folder, last, newMemory())
}

func openPasses(ctx context.Context, socketPath, name, folder string, last LastBatch, mem memory.Allocator) (*Passes, error) {
	recording, err := newRecording(folder)
	if err != nil {
		return nil, err
	}
	chunks, err := feed.OpenChunks(ctx, socketPath, name, chunksAhead)
	if err != nil {
		return nil, errors.Join(err, recording.close())
	}
	recordingCtx, cancel := context.WithCancel(context.Background())
	p := &Passes{chunks: chunks, mem: mem, last: last, recording: recording, done: make(chan struct{}), cancel: cancel}
	go p.record(recordingCtx)
	return p, nil
}

func (p *Passes) record(ctx context.Context) {
	defer close(p.done)
	if p.err = p.recording.record(ctx, p.chunks.Next); p.err != nil {
		p.err = fmt.Errorf("feed %s: %w", p.chunks.Config().Name, p.err)
		_ = p.chunks.Terminate() // feed tasks would wait for ever
	}
}

// Pass returns a new pass over all rows, in the same order each time. Its Next waits
// until all rows have come. Stop ends the pass alone. The caller calls Stop, also
// after the last batch.
func (p *Passes) Pass() *Pass {
	var rows source
	next := func(ctx context.Context) (*feed.Chunk, feed.EpochEnd, error) {
		select {
		case <-p.done:
		case <-ctx.Done():
			return nil, feed.EpochEnd{}, context.Cause(ctx)
		}
		if p.err != nil {
			return nil, feed.EpochEnd{}, p.err
		}
		if rows == nil {
			rows = p.recording.reader()
		}
		return rows(ctx)
	}
	l := newLoader(p.chunks.Config(), p.chunks.Context().WorkerNum, p.mem, p.last, next)
	return &Pass{startReading(p.chunks, l)}
}

// Close ends the connection and deletes the file. All passes have been stopped.
// Records that they returned stay valid.
func (p *Passes) Close() error {
	p.cancel()
	<-p.done
	return errors.Join(p.chunks.Close(), p.recording.close())
}

// Pass is one pass over the rows of Passes. It implements train.Batches.
type Pass struct{ reading *reading }

// Next implements train.Batches.
func (p *Pass) Next(ctx context.Context) (train.Batch, error) {
	b, err := p.reading.next(ctx)
	if err != nil {
		_ = p.reading.chunks.FlushTrained() // the member may have ended the connection
	}
	return b, err
}

// LeftOut implements train.Batches.
func (p *Pass) LeftOut() int64 { return p.reading.leftOut() }

// Stop implements train.Batches for this pass.
func (p *Pass) Stop() error {
	p.reading.stopReading()
	return nil
}
