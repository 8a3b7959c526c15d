package launch

import (
	"context"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/record"
)

// queueInterval is the time between two questions about an application that waits.
// Tests shorten it.
var queueInterval = 4 * time.Second

// queueWatch asks the cluster manager how an application is, until it is closed. An answer
// is sent if the application waited at the question before too: every application waits for
// a moment.
type queueWatch struct {
	states <-chan cluster.State
	apps   chan cluster.App
	end    context.CancelFunc
	ended  chan struct{}
}

func watchQueue(m cluster.Manager) *queueWatch {
	ctx, end := context.WithCancel(context.Background())
	states := make(chan cluster.State)
	q := &queueWatch{states, make(chan cluster.App, 1), end, make(chan struct{})}
	go func() {
		defer close(q.ended)
		q.ask(ctx, m, states)
	}()
	return q
}

// follow names the application, as soon as it is known.
func (q *queueWatch) follow(app cluster.App) {
	if q == nil {
		return
	}
	select {
	case q.apps <- app:
	default: // it is named already
	}
}

// close ends the questions and waits until nobody asks. It may be called several times, and
// for a watch that has not begun.
func (q *queueWatch) close() {
	if q == nil {
		return
	}
	q.end()
	<-q.ended
}

func (q *queueWatch) ask(ctx context.Context, m cluster.Manager, states chan<- cluster.State) {
	var app cluster.App
	waited := false
	for next := time.NewTicker(queueInterval); ; {
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case app = <-q.apps:
			continue
		case <-next.C:
		}
		if app.ID == "" {
			app, _ = m.Find(ctx) // before the SparkContext is up
		}
		if app.ID == "" {
			continue
		}
		state, err := m.State(ctx, app)
		waits := err == nil && state.Words != "" && !state.Phase.Ended()
		if waits && waited {
			select {
			case <-ctx.Done():
			case states <- state:
			}
		}
		waited = waits
	}
}

// handleQueue reports what the manager says, if it is new.
func (w *watch) handleQueue(s cluster.State) {
	e := record.Queued{Queue: s.Queue, Words: cluster.OneLine(s.Words)}
	if e != w.queued {
		w.queued = e
		w.c.Event(e)
	}
	if s.Final {
		w.requestEnd(&hopelessError{s})
	}
}
