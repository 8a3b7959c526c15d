package launch

import (
	"time"

	"tfos/internal/cluster"
	"tfos/internal/record"
	"tfos/internal/store"
)

// FollowConfig describes a run in a cluster that is followed: by its record, which the
// driver writes, and by its manager. A time of zero means the default named with it.
type FollowConfig struct {
	Run     string
	Record  string // the folder
	Store   store.Store
	Manager cluster.Manager

	// Submission is asked while the record has no event and the manager knows no application.
	// nil: Submitted.
	Submission func() Submission

	// Formation bounds the time from Submitted until the SparkContext is up; 0: no bound.
	Formation time.Duration
	Submitted time.Time
	Grace     time.Duration // from the request to stop until the application is killed; default 15 s
	Stop      time.Duration // for the application's end, after the verdict or Grace; default 60 s
	Unknown   time.Duration // that a manager may not know the application; default 30 s
	// Abandoned is the same after the launcher has died: within it spark-submit has ended
	// too. Default 10 s.
	Abandoned time.Duration
	// Unreachable bounds the time in which neither manager nor record says anything: default
	// 1 h.
	Unreachable time.Duration
	Look        time.Duration // between two looks at the record; default 1 s

	// Detach says what the end of ctx does: the run goes on alone. Otherwise it is stopped.
	Detach bool
	// Event receives each event of the driver, in order. It may be nil.
	Event func(record.Event)
	// State receives the manager's answer when it has changed. It may be nil.
	State func(cluster.State)
	// Kill ends the application at once when it is closed: the second Ctrl-C.
	Kill <-chan struct{}
}

func (c *FollowConfig) setDefaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Grace, 15*time.Second)
	set(&c.Stop, time.Minute)
	set(&c.Unknown, 30*time.Second)
	set(&c.Abandoned, caretakeGroup+2*time.Second)
	set(&c.Unreachable, time.Hour)
	set(&c.Look, time.Second)
	if c.Submission == nil {
		c.Submission = func() Submission { return Submitted }
	}
	if c.Event == nil {
		c.Event = func(record.Event) {}
	}
	if c.State == nil {
		c.State = func(cluster.State) {}
	}
}
