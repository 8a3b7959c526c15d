package node

import "sync"

// once is an event that happens at most once, with one callback. The zero value is an
// event that has not happened. It is safe for concurrent use.
type once struct {
	mu       sync.Mutex
	done     bool
	callback func() // nil: none is registered
}

// onDone registers tell. It is called once, when the event happens, or at once if
// the event has happened already. Only the first registration counts.
func (o *once) onDone(tell func()) {
	o.mu.Lock()
	first := o.callback == nil
	if first {
		o.callback = tell
	}
	now := first && o.done
	o.mu.Unlock()
	if now {
		tell()
	}
}

// markDone says that the event has happened, and calls the callback. Later calls
// do nothing.
func (o *once) markDone() {
	o.mu.Lock()
	again := o.done
	o.done = true
	tell := o.callback
	o.mu.Unlock()
	if !again && tell != nil {
		tell()
	}
}
