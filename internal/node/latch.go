package node

import "sync"

// latch is something that happens once, and who is to be told of it. The zero
// value has not happened. Safe for concurrent use.
type latch struct {
	mu       sync.Mutex
	happened bool
	tell     func() // nil: nobody asked
}

// on has tell called once it has happened; the first asks.
func (l *latch) on(tell func()) {
	l.mu.Lock()
	first := l.tell == nil
	if first {
		l.tell = tell
	}
	now := first && l.happened
	l.mu.Unlock()
	if now {
		tell()
	}
}

// happen tells whoever asked; a second time it does nothing.
func (l *latch) happen() {
	l.mu.Lock()
	again := l.happened
	l.happened = true
	tell := l.tell
	l.mu.Unlock()
	if !again && tell != nil {
		tell()
	}
}
