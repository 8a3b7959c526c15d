package mirror

import (
	"slices"
	"time"
)

// Status is what a mirror has done so far.
type Status struct {
	// Stored is the newest checkpoint that is complete at the store, Local the newest that
	// the program has written: prefixes, or Keras's files of weights. "": none.
	Stored string
	Local  string
	// Files, Bytes and Seconds are those of the last upload of a checkpoint.
	Files   int64
	Bytes   int64
	Seconds float64
	// AllFiles and AllBytes are all uploads. Deleted are files deleted at the store.
	AllFiles int64
	AllBytes int64
	Deleted  int64
	// Brought is what came down before the program's start.
	Brought Brought
	// Error is why the last pass failed; nil: it did not. Since is when passes began to
	// fail.
	Error error
	Since time.Time
}

// Brought is what came down before the program's start.
type Brought struct {
	Checkpoints []string // prefixes
	Files       int64
	Bytes       int64
	Seconds     float64
}

// Status returns the state of the mirror. It does not wait for a pass.
func (m *Mirror) Status() Status {
	m.statusMu.Lock()
	defer m.statusMu.Unlock()
	s := m.status
	s.Brought.Checkpoints = slices.Clone(s.Brought.Checkpoints)
	return s
}

func (m *Mirror) setError(err error) {
	m.change(func(s *Status) {
		if err != nil && s.Error == nil {
			s.Since = time.Now()
		}
		s.Error = err
	})
}

// change changes the status.
func (m *Mirror) change(f func(*Status)) {
	m.statusMu.Lock()
	defer m.statusMu.Unlock()
	f(&m.status)
}
