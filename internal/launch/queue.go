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
// is sent if the application waits or has ended, and did so at the question before too: every
// application waits for a moment, and a driver has a moment to say why its application ended.
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
	named := false // by the driver: one that is found may be that of an earlier run of this id
	before := ""   // news of the last question
	for next := time.NewTicker(queueInterval); ; {
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case app = <-q.apps:
			named = true
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
		now := ""
		if err == nil {
			now = news(state, named)
		}
		if now != "" && now == before {
			select {
			case <-ctx.Done():
			case states <- state:
			}
		}
		before = now
	}
}

// news says what of a state is worth telling: that the application "waits", or has "ended" though
// its driver has not; "": nothing.
func news(state cluster.State, named bool) string {
	switch {
	case !state.Phase.Ended() && state.Words != "":
		return "waits"
	case state.Phase.Ended() && named:
		return "ended"
	}
	return ""
}

// handleQueue reports what the manager says, if it is new. It ends a run that has nothing to wait
// for any more.
func (w *watch) handleQueue(s cluster.State) {
	if s.Phase.Ended() {
		w.requestEnd(&hopelessError{s})
		return
	}
	e := record.Queued{Queue: s.Queue, Words: cluster.OneLine(s.Words)}
	if e != w.queued {
		w.queued = e
		w.c.Event(e)
	}
	if s.Final {
		w.requestEnd(&hopelessError{s})
	}
}
