package launch

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
)

// fakeManager knows one application.
type fakeManager struct {
	cluster.Unasked
	mu     sync.Mutex
	state  cluster.State
	killed []string
}

func (m *fakeManager) Find(context.Context) (cluster.App, error) { return cluster.App{ID: "a"}, nil }

func (m *fakeManager) State(_ context.Context, app cluster.App) (cluster.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if app.ID != "a" {
		return cluster.State{}, cluster.ErrUnknown
	}
	return m.state, nil
}

func (m *fakeManager) Kill(_ context.Context, app cluster.App) error {
	m.killed = append(m.killed, app.ID)
	return nil
}

// TestQueued: while an application waits, its manager's words are an event, once, and then in
// the cause of a run that did not start. What waits after the driver's end is killed.
func TestQueued(t *testing.T) {
	queueInterval = 200 * time.Millisecond
	m := &fakeManager{state: cluster.State{Phase: cluster.Waiting, Queue: "q", Words: "queue q\nis full"}}
	c := config(t, "hang")
	c.Manager = m
	c.Formation = 10 * queueInterval
	var events []record.Event
	c.Event = func(e record.Event) { events = append(events, e) }
	v, err := Run(deadline(t), c)
	want := []record.Event{record.Queued{Queue: "q", Words: "queue q is full"}}
	if err != nil || v.Code != exit.NotFormed || !strings.HasSuffix(v.Cause, ": queue q is full") || !slices.Equal(events, want) {
		t.Errorf("%+v, %v, events %v", v, err, events)
	}
	if !slices.Equal(m.killed, []string{"a"}) {
		t.Errorf("killed %q", m.killed)
	}
}

// TestKilledOutside: an application that its manager has ended is not killed again, and the
// manager's words go before those of the driver.
func TestKilledOutside(t *testing.T) {
	m := &fakeManager{state: cluster.State{Phase: cluster.Killed, Cause: cluster.CauseKilled, Words: "by ann"}}
	c := config(t, `event {"event":"context","application":"a","master":"yarn"}`+"\n"+
		`event {"event":"verdict","code":5,"cause":"Spark went away","member":"worker:0"}`+"\nexit 1")
	c.Manager = m
	v, err := Run(deadline(t), c)
	if err != nil || v.Code != exit.Terminated || !strings.Contains(v.Cause, "by ann") || v.Member != "" || len(m.killed) > 0 {
		t.Errorf("%+v, %v, killed %q", v, err, m.killed)
	}
}

// TestEndedBeside: an application that its manager has ended, before the cluster has formed, ends a
// driver that goes on. The verdict is what the manager says. An application of the run's id that the
// driver has not named does not: it may be that of an earlier run.
func TestEndedBeside(t *testing.T) {
	queueInterval = 200 * time.Millisecond
	refused := cluster.State{Phase: cluster.Failed, Cause: cluster.CauseRefused, Words: "no label green"}
	const named = `event {"event":"context","application":"a","master":"yarn"}` + "\n"
	for name, tt := range map[string]struct {
		script string
		state  cluster.State
		code   exit.Code
		cause  string
	}{
		"refused":            {named + "hang", refused, exit.NoSpark, "the cluster refuses the application: no label green"},
		"killed":             {named + "hang", cluster.State{Phase: cluster.Killed, Words: "by ann"}, exit.Terminated, "by ann"},
		"its master died":    {named + "hang", cluster.State{Phase: cluster.Failed, Cause: cluster.CauseSignal, Words: "exit code 137"}, exit.Failed, "the application ended before the cluster had formed: exit code 137"},
		"of an earlier run":  {"hang", refused, exit.NotFormed, "timeouts.reservation"},
		"the driver says so": {named + `event {"event":"verdict","code":4,"cause":"nobody came"}` + "\nexit 1", refused, exit.NotFormed, "nobody came"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, tt.script)
			c.Manager = &fakeManager{state: tt.state}
			c.Formation = 10 * queueInterval
			v, err := Run(deadline(t), c)
			if err != nil || v.Code != tt.code || !strings.Contains(v.Cause, tt.cause) {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// asking counts the questions until its application is killed. After ends of them the
// application has ended.
type asking struct {
	cluster.Unasked
	phase  cluster.Phase
	ends   int
	asked  int
	killed int
}

func (m *asking) State(context.Context, cluster.App) (cluster.State, error) {
	if m.asked++; m.ends > 0 && m.asked >= m.ends {
		return cluster.State{Phase: cluster.Succeeded}, nil
	}
	return cluster.State{Phase: m.phase}, nil
}

func (m *asking) Kill(context.Context, cluster.App) error {
	m.killed = m.asked
	return nil
}

// TestEndApplication: an application that waits is killed at once, as its driver is gone. One
// that runs may end by itself.
func TestEndApplication(t *testing.T) {
	for name, tt := range map[string]struct {
		manager asking
		killed  func(after int) bool
	}{
		"waits":     {asking{phase: cluster.Waiting}, func(after int) bool { return after == 1 }},
		"goes on":   {asking{phase: cluster.Running}, func(after int) bool { return after > 1 }},
		"has ended": {asking{phase: cluster.Running, ends: 3}, func(after int) bool { return after == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tt.manager
			w := &watch{c: Config{Manager: &m}}
			state, err := w.endApplication(t.Context(), cluster.App{ID: "a"})
			if err != nil || !tt.killed(m.killed) || (state.Phase == cluster.Succeeded) != (m.ends > 0) {
				t.Errorf("%+v, %v: killed after %d questions", state, err, m.killed)
			}
		})
	}
}
