package batches

import (
	"context"
	"io"
	"sync"
	"time"

	"tfos/internal/feed"
	"tfos/internal/train"
)

// reading is one way through a feed's rows, from the first to the last. A goroutine
// makes its batches ahead.
type reading struct {
	chunks *feed.Chunks
	cfg    feed.Config
	ready  chan []batch // closed by the goroutine at its end
	loader *loader      // the goroutine's; read after ready is closed
	failed error        // why the goroutine ended early; read after ready is closed
	cancel context.CancelCauseFunc

	mu       sync.Mutex // serializes next
	held     []batch    // the next ones; the first is not permitted yet
	steps    int64      // permitted
	handed   map[int]int64
	err      error         // what next returns from now on
	waited   time.Duration // for batches
	heldBack time.Duration // for permission
	ended    bool          // ready is closed
}

// startReading starts the goroutine. stopReading ends it.
func startReading(chunks *feed.Chunks, l *loader) *reading {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &reading{chunks: chunks, cfg: l.cfg, loader: l, ready: make(chan []batch, groupsAhead), cancel: cancel, handed: map[int]int64{}}
	go func() {
		defer close(r.ready)
		r.failed = l.run(ctx, r.ready)
	}()
	return r
}

// next returns the next batch. io.EOF: there is none, or its step is refused on
// every worker. All its errors but those of ctx stay.
func (r *reading) next(ctx context.Context) (train.Batch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return train.Batch{}, r.err
	}
	err := r.fetch(ctx)
	if err == nil {
		err = r.permit(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return train.Batch{}, context.Cause(ctx)
	}
	if err != nil {
		r.err = err
		return train.Batch{}, err
	}
	b := r.held[0]
	r.held = r.held[1:]
	if err := r.report(b.epochs); err != nil {
		b.Rows.Release()
		r.err = err
		return train.Batch{}, err
	}
	return b.Batch, nil
}

// fetch waits for a group of batches, unless one is held.
func (r *reading) fetch(ctx context.Context) error {
	if len(r.held) > 0 {
		return nil
	}
	began := time.Now()
	defer func() { r.waited += time.Since(began) }()
	select {
	case group, ok := <-r.ready:
		if ok {
			r.held = group
			return nil
		}
		r.ended = true
		if r.failed != nil {
			return r.failed
		}
		return io.EOF
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// permit waits for leave to take the step of the first batch that is held.
func (r *reading) permit(ctx context.Context) error {
	if !r.cfg.Synchronous {
		return nil
	}
	began := time.Now()
	defer func() { r.heldBack += time.Since(began) }()
	permitted, err := r.chunks.Permit(ctx, r.steps+1)
	if err == nil && !permitted {
		err = io.EOF
	}
	if err == nil {
		r.steps++
		// The answer to the next step comes while the program makes this one.
		err = r.chunks.AskAhead()
	}
	return err
}

// leftOut returns the rows of a last batch that was not made. It is known when next has
// returned io.EOF.
func (r *reading) leftOut() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		return 0
	}
	return r.loader.dropped
}

// report counts rows as handed out.
func (r *reading) report(epochs []epochRows) error {
	for _, e := range epochs {
		r.handed[e.epoch] += e.rows
		if err := r.chunks.Trained(e.epoch, r.handed[e.epoch]); err != nil {
			return err
		}
	}
	return nil
}

// stopReading ends the goroutine and releases the batches that it has made. next
// returns io.EOF from now on.
func (r *reading) stopReading() {
	r.cancel(io.EOF)
	r.mu.Lock()
	defer r.mu.Unlock()
	for group := range r.ready {
		releaseGroup(group)
	}
	releaseGroup(r.held)
	r.held = nil
	if r.err == nil {
		r.err = io.EOF
	}
}
