package engine

import (
	"runtime"
	"sync/atomic"
)

// collectEvery is the tensor memory after which a collection is forced: at 3 MB
// a batch, one in 40 batches. Arrow buffers hold no pointers to follow.
const collectEvery = 128 << 20

// ledger counts tensor memory whose release waits for the collector. Safe for
// concurrent use.
type ledger struct {
	sinceCollection atomic.Int64
}

// add counts bytes of new tensors, and collects when enough has come together.
// Finalizers run right after, on their own goroutine.
func (l *ledger) add(bytes int64) {
	if l.sinceCollection.Add(bytes) < collectEvery {
		return
	}
	l.sinceCollection.Store(0)
	runtime.GC()
}
