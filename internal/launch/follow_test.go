package launch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/store"
)

// clusterOf is a cluster manager whose application is as the test says.
type clusterOf struct {
	cluster.Unasked
	mu     sync.Mutex
	state  cluster.State
	err    error
	killed int
	atKill func() // nil: nothing
}

func (m *clusterOf) set(s cluster.State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.err = s, err
}

func (m *clusterOf) Find(context.Context) (cluster.App, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cluster.App{ID: "app"}, m.err
}

func (m *clusterOf) State(context.Context, cluster.App) (cluster.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, m.err
}

func (m *clusterOf) Kill(context.Context, cluster.App) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.killed++
	if m.atKill != nil {
		m.atKill()
	}
	m.state.Phase, m.state.Cause = cluster.Killed, cluster.CauseKilled
	return nil
}

func running() *clusterOf {
	return &clusterOf{state: cluster.State{App: cluster.App{ID: "app"}, Phase: cluster.Running}}
}

// followed is a run in a cluster: its record as a launcher has made it, and its driver.
type followed struct {
	t      *testing.T
	c      FollowConfig
	driver *record.Writer
}

func newFollowed(t *testing.T, m cluster.Manager) *followed {
	dir := filepath.Join(t.TempDir(), "record")
	made, err := NewRecord(t.Context(), record.Config{Dir: dir, Run: record.Run{ID: "r", InCluster: true}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	made.Leave()
	at, err := store.For(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &followed{t: t, c: FollowConfig{
		Run: "r", Record: dir, Store: at, Manager: m, Submitted: time.Now(),
		Look: 20 * time.Millisecond, Grace: time.Second, Stop: time.Second, Unknown: 500 * time.Millisecond,
	}}
}

// drive begins the driver's part of the record.
func (f *followed) drive(events ...record.Event) {
	f.t.Helper()
	var err error
	f.driver, err = record.Adopt(f.t.Context(), record.Config{Store: f.c.Store, Dir: f.c.Record, Now: time.Now, Warn: func(err error) { f.t.Error(err) }})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range events {
		f.driver.Event(e)
	}
}

func (f *followed) finish(v record.Verdict) {
	f.driver.Event(v)
	if err := f.driver.Finish(f.t.Context(), v); err != nil {
		f.t.Error(err)
	}
}

// recorded is the state that a later reader finds.
func (f *followed) recorded() record.Status {
	f.t.Helper()
	s, err := ReadRecord(f.t.Context(), f.c.Record)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *followed) follow(ctx context.Context) record.Verdict {
	f.t.Helper()
	v, err := Follow(ctx, f.c)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

var begun = record.Context{Application: "app", Master: "yarn"}

// The driver's verdict is that of the run, once the application has ended.
func TestFollowVerdict(t *testing.T) {
	m := running()
	f := newFollowed(t, m)
	f.drive(begun)
	var seen []string
	f.c.Event = func(e record.Event) { seen = append(seen, e.EventName()) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		time.Sleep(100 * time.Millisecond)
		f.driver.Event(record.Formed{})
		f.finish(record.Verdict{Code: exit.BadData, Cause: "bad", Run: "r"})
		time.Sleep(200 * time.Millisecond)
		m.set(cluster.State{Phase: cluster.Failed}, nil)
	}()
	v := f.follow(t.Context())
	select {
	case <-ended:
	default:
		t.Error("the application had not ended")
	}
	<-ended
	if v.Code != exit.BadData || v.Cause != "bad" || v.Record != f.c.Record || strings.Join(seen, " ") != "context formed" {
		t.Errorf("%+v, events %q", v, seen)
	}
	if s := f.recorded(); s.State != record.Failed || m.killed > 0 {
		t.Errorf("%+v, killed %d", s, m.killed)
	}
}

// An application that has ended without a verdict has the one that its manager says. It is
// in the record for those who come later.
func TestFollowSilent(t *testing.T) {
	for name, tt := range map[string]struct {
		state cluster.State
		err   error
		code  exit.Code
		cause string
	}{
		"killed":    {cluster.State{Phase: cluster.Killed, Words: "by ann"}, nil, exit.Terminated, "killed from outside: by ann"},
		"memory":    {cluster.State{Phase: cluster.Failed, Cause: cluster.CauseMemory, Words: "2.3 of 2 GB"}, nil, exit.Failed, "memory: 2.3 of 2 GB"},
		"well":      {cluster.State{Phase: cluster.Succeeded}, nil, exit.Failed, "the driver died"},
		"image":     {cluster.State{Phase: cluster.Failed, Cause: cluster.CauseImage, Words: "no x:1"}, nil, exit.NotFormed, "no x:1"},
		"forgotten": {cluster.State{}, cluster.ErrUnknown, exit.NoSpark, "knows no application of the run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := running()
			m.set(tt.state, tt.err)
			f := newFollowed(t, m)
			v := f.follow(t.Context())
			if v.Code != tt.code || !strings.Contains(v.Cause, tt.cause) {
				t.Errorf("%d %q", v.Code, v.Cause)
			}
			if s := f.recorded(); s.Verdict == nil || s.Verdict.Cause != v.Cause || s.Run.State != record.Failed {
				t.Errorf("record %+v", s)
			}
		})
	}
}

func interrupted(after time.Duration) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(after, func() { cancel(Signal{syscall.SIGINT}) })
	return ctx
}

// A signal asks the driver to end in order, by the record. A driver that does not is killed.
func TestFollowStop(t *testing.T) {
	for _, orderly := range []bool{true, false} {
		m := running()
		f := newFollowed(t, m)
		f.drive(begun)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if !orderly {
				return
			}
			reader := record.Follow(f.c.Store, f.c.Record)
			for {
				if stop, err := reader.Stopped(context.Background()); err == nil && stop != nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			f.finish(record.Verdict{Code: exit.Failed, Cause: "stopped", Kept: []string{"/kept"}})
			m.set(cluster.State{Phase: cluster.Failed}, nil)
		}()
		v := f.follow(interrupted(50 * time.Millisecond))
		<-done
		if v.Code != exit.Interrupted || v.Phase != "interrupted" || len(v.Kept) == 1 != orderly || m.killed == 0 != orderly {
			t.Errorf("orderly %v: %+v, killed %d", orderly, v, m.killed)
		}
	}
}

// A driver that has not begun hears nothing: its application is killed at once.
func TestFollowStopBeforeTheDriver(t *testing.T) {
	m := running()
	f := newFollowed(t, m)
	f.c.Grace = time.Hour
	if v := f.follow(interrupted(50 * time.Millisecond)); v.Code != exit.Interrupted || m.killed != 1 {
		t.Errorf("%+v, killed %d", v, m.killed)
	}
}

// Detached, the run goes on, and its record stays open.
func TestFollowDetach(t *testing.T) {
	m := running()
	f := newFollowed(t, m)
	f.drive(begun)
	f.c.Detach = true
	v := f.follow(interrupted(50 * time.Millisecond))
	if v.Code != exit.Interrupted || v.Phase != PhaseDetached || m.killed > 0 {
		t.Errorf("%+v, killed %d", v, m.killed)
	}
	if s := f.recorded(); s.State != record.Running {
		t.Errorf("record %+v", s)
	}
	if _, err := os.Stat(filepath.Join(f.c.Record, "stop.json")); err == nil {
		t.Error("the run was asked to stop")
	}
	f.driver.Leave()
}

// Without an answer of its manager nobody knows whether the run has stopped. Its record stays
// open.
func TestFollowOutOfReach(t *testing.T) {
	m := running()
	m.set(cluster.State{}, context.DeadlineExceeded)
	f := newFollowed(t, m)
	f.drive(begun)
	f.c.Grace, f.c.Stop = 100*time.Millisecond, 100*time.Millisecond
	v := f.follow(interrupted(50 * time.Millisecond))
	if v.Code != exit.Interrupted || v.Phase != PhaseDetached || !strings.Contains(v.Cause, "does not answer") || v.Record != f.c.Record {
		t.Errorf("%+v", v)
	}
	if s := f.recorded(); s.State != record.Running {
		t.Errorf("record %+v", s)
	}
	f.driver.Leave()
}

// A driver that says no more than that it was interrupted, and that nobody here has asked to
// end: its manager knows who it was. The record says so too.
func TestFollowKilledOutside(t *testing.T) {
	m := running()
	m.set(cluster.State{Phase: cluster.Killed, Words: "by ann"}, nil)
	f := newFollowed(t, m)
	f.drive(begun)
	f.finish(record.Verdict{Code: exit.Interrupted, Cause: "interrupted", Rows: record.Rows{Read: 7}})
	v := f.follow(t.Context())
	if v.Code != exit.Terminated || !strings.Contains(v.Cause, "by ann") || v.Rows.Read != 7 {
		t.Errorf("%+v", v)
	}
	if s := f.recorded(); s.Verdict.Code != exit.Terminated {
		t.Errorf("record %+v", s.Verdict)
	}
}

// An application that waits too long is killed, and the cause has its manager's words.
func TestFollowFormation(t *testing.T) {
	m := running()
	m.set(cluster.State{Phase: cluster.Waiting, Words: "queue q is full"}, nil)
	f := newFollowed(t, m)
	f.c.Formation = 200 * time.Millisecond
	v := f.follow(t.Context())
	if v.Code != exit.NotFormed || !strings.HasSuffix(v.Cause, ": queue q is full") || m.killed != 1 {
		t.Errorf("%+v, killed %d", v, m.killed)
	}
}

// An application that goes on after the verdict is killed. The verdict stays.
func TestFollowLinger(t *testing.T) {
	m := running()
	f := newFollowed(t, m)
	f.drive(begun)
	f.finish(record.Verdict{Code: exit.Failed, Cause: "bad"})
	if v := f.follow(t.Context()); v.Cause != "bad" || m.killed != 1 {
		t.Errorf("%+v, killed %d", v, m.killed)
	}
}

// A manager that does not answer is no end of the run.
func TestFollowWithoutManager(t *testing.T) {
	m := running()
	m.set(cluster.State{}, context.DeadlineExceeded)
	f := newFollowed(t, m)
	f.drive(begun)
	var warnings int
	f.c.Event = func(e record.Event) {
		if _, ok := e.(record.Warning); ok {
			warnings++
		}
	}
	time.AfterFunc(300*time.Millisecond, func() {
		f.finish(record.Verdict{})
		m.set(cluster.State{Phase: cluster.Succeeded}, nil)
	})
	if v := f.follow(t.Context()); v.Code != exit.Done || warnings != 2 { // the second: it answers again
		t.Errorf("%+v, %d warnings", v, warnings)
	}
}

// TestFollowHopeless: an application that waits for what will not come is killed at once, and
// the manager's words are the cause, also where its driver says that it was ended.
func TestFollowHopeless(t *testing.T) {
	never := cluster.State{App: cluster.App{ID: "app"}, Phase: cluster.Waiting, Cause: cluster.CauseImage, Words: "no image x", Final: true}
	for _, driver := range []bool{false, true} {
		m := running()
		m.set(never, nil)
		f := newFollowed(t, m)
		f.c.Formation = 10 * time.Second
		var ended sync.WaitGroup
		if driver {
			f.drive(record.Driver{PID: 1})
			m.atKill = func() {
				ended.Go(func() { f.finish(record.Verdict{Code: exit.Interrupted, Cause: "SIGTERM"}) })
			}
		}
		v := f.follow(t.Context())
		ended.Wait()
		want := "the application's image or archive cannot be had: no image x"
		if v.Code != exit.NotFormed || v.Cause != want || m.killed != 1 {
			t.Errorf("driver %v: %+v, killed %d times", driver, v, m.killed)
		}
		if s := f.recorded(); s.Verdict == nil || s.Verdict.Cause != want {
			t.Errorf("driver %v: the record says %+v", driver, s.Verdict)
		}
	}
	// A run that has formed goes on: an executor that is made anew may wait.
	m := running()
	m.set(never, nil)
	f := newFollowed(t, m)
	f.drive(record.Driver{PID: 1}, record.Formed{})
	f.finish(record.Verdict{Code: exit.Done})
	m.set(cluster.State{App: cluster.App{ID: "app"}, Phase: cluster.Succeeded}, nil)
	if v := f.follow(t.Context()); v.Code != exit.Done || m.killed != 0 {
		t.Errorf("formed: %+v, killed %d times", v, m.killed)
	}
}

// Neither manager nor driver is heard: the launcher gives up, and the run may go on. As long
// as the driver writes, it does not.
func TestFollowUnreachable(t *testing.T) {
	for name, writes := range map[string]bool{"silent": false, "writes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := running()
			m.set(cluster.State{}, context.DeadlineExceeded)
			f := newFollowed(t, m)
			f.c.Unreachable = 400 * time.Millisecond
			f.drive(begun)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if !writes {
					return
				}
				for range 16 {
					time.Sleep(50 * time.Millisecond)
					f.driver.Event(record.Warning{Message: "here"})
				}
				m.set(cluster.State{Phase: cluster.Succeeded}, nil)
				f.finish(record.Verdict{})
			}()
			v := f.follow(t.Context())
			<-done
			if writes {
				if v.Code != exit.Done {
					t.Errorf("%+v", v)
				}
				return
			}
			if v.Code != exit.NoSpark || v.Phase != PhaseDetached || !v.Retryable || !strings.Contains(v.Cause, "timeouts.unreachable") {
				t.Errorf("%+v", v)
			}
			if s := f.recorded(); s.State != record.Running || s.Verdict != nil {
				t.Errorf("record %+v", s)
			}
			f.driver.Leave()
		})
	}
}

// A manager that is silent for long is warned of again. It must then say anew that it knows no
// application.
func TestFollowSilence(t *testing.T) {
	var said []string
	c := FollowConfig{
		Event:      func(e record.Event) { said = append(said, e.(record.Warning).Message) },
		Submission: func() Submission { return Abandoned }, Abandoned: time.Minute,
	}
	f, begin := following{c: c}, time.Now()
	after := func(d time.Duration, answer error) { f.noteNoAnswer(answer, begin.Add(d)) }
	after(0, context.DeadlineExceeded)
	after(silenceEvery-time.Second, context.DeadlineExceeded)
	if len(said) != 1 || !strings.Contains(said[0], "cannot be asked") {
		t.Errorf("%q", said)
	}
	after(silenceEvery, context.DeadlineExceeded)
	after(2*silenceEvery-time.Second, context.DeadlineExceeded)
	if len(said) != 2 || !strings.Contains(said[1], "not answered for 10m0s") {
		t.Errorf("%q", said)
	}
	after(time.Hour, cluster.ErrUnknown)
	if len(said) != 3 || !strings.Contains(said[2], "answers again, after 1h0m0s") {
		t.Errorf("%q", said)
	}
	gone := func(d time.Duration) bool { return f.gone(begin.Add(d)) }
	if gone(time.Hour+59*time.Second) || !gone(time.Hour+time.Minute) {
		t.Error("the application of a dead launcher is given up at another time than a minute after the answer")
	}
	after(time.Hour+50*time.Second, context.DeadlineExceeded)
	after(2*time.Hour, cluster.ErrUnknown)
	if gone(2*time.Hour+59*time.Second) || !gone(2*time.Hour+time.Minute) {
		t.Error("the manager did not answer meanwhile, and has forgotten the application")
	}
}

// A manager that does not answer after the verdict: the driver's verdict is the run's.
func TestFollowVerdictUnreachable(t *testing.T) {
	m := running()
	m.set(cluster.State{}, context.DeadlineExceeded)
	f := newFollowed(t, m)
	f.c.Unreachable = 1500 * time.Millisecond // more than Stop
	f.drive(begun)
	f.finish(record.Verdict{Code: exit.BadData, Cause: "bad"})
	var said []string
	f.c.Event = func(e record.Event) {
		if w, ok := e.(record.Warning); ok {
			said = append(said, w.Message)
		}
	}
	v := f.follow(t.Context())
	if v.Code != exit.BadData || v.Cause != "bad" || !strings.Contains(strings.Join(said, "\n"), "may go on in the cluster after its verdict") {
		t.Errorf("%+v, warnings %q", v, said)
	}
}

// A launcher was killed, and the cluster has no application: the run may be submitted again,
// its record stays open. The application of a launcher that lives is waited for.
func TestFollowUnsubmitted(t *testing.T) {
	for name, tt := range map[string]struct {
		dies   time.Duration // of the launcher; 0: it is dead
		comes  time.Duration // of the application; 0: it does not
		phase  string
		lasts  time.Duration // at least
		within time.Duration // timeouts.reservation
	}{
		"dead":                    {phase: PhaseUnsubmitted, lasts: 300 * time.Millisecond},
		"dead, and submitted":     {comes: 150 * time.Millisecond},
		"dies":                    {dies: 500 * time.Millisecond, phase: PhaseUnsubmitted, lasts: 800 * time.Millisecond},
		"lives, and submits":      {dies: time.Hour, comes: 1200 * time.Millisecond},
		"lives and never submits": {dies: time.Hour, within: 900 * time.Millisecond, phase: PhaseUnsubmitted, lasts: 900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := running()
			m.set(cluster.State{}, cluster.ErrUnknown)
			f := newFollowed(t, m)
			begin := time.Now()
			f.c.Formation, f.c.Abandoned = time.Minute, 300*time.Millisecond
			if tt.within > 0 {
				f.c.Formation = tt.within
			}
			f.c.Submission = func() Submission {
				if time.Since(begin) < tt.dies {
					return Submitting
				}
				return Abandoned
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if tt.comes == 0 {
					return
				}
				time.Sleep(tt.comes)
				m.set(cluster.State{Phase: cluster.Running}, nil)
				f.drive(begun)
				f.finish(record.Verdict{})
				m.set(cluster.State{Phase: cluster.Succeeded}, nil)
			}()
			v := f.follow(t.Context())
			<-done
			if v.Phase != tt.phase || (v.Code == exit.NoSpark) != (tt.phase != "") || time.Since(begin) < tt.lasts {
				t.Errorf("after %v: %+v", time.Since(begin), v)
			}
			if s := f.recorded(); tt.phase != "" && (s.State != record.Running || s.Verdict != nil) {
				t.Errorf("record %+v", s)
			}
			if m.killed > 0 {
				t.Errorf("killed %d", m.killed)
			}
		})
	}
}

// A driver that has not begun, and cannot be killed yet, finds the request to stop.
func TestFollowStopWhileSubmitting(t *testing.T) {
	m := running()
	m.set(cluster.State{}, cluster.ErrUnknown)
	f := newFollowed(t, m)
	f.c.Submission = func() Submission { return Submitting }
	f.c.Grace, f.c.Stop = 100*time.Millisecond, 100*time.Millisecond
	v := f.follow(interrupted(50 * time.Millisecond))
	if v.Code != exit.Interrupted || v.Phase != PhaseDetached || !strings.Contains(v.Cause, "may go on") {
		t.Errorf("%+v", v)
	}
	if stop, err := record.Follow(f.c.Store, f.c.Record).Stopped(t.Context()); err != nil || stop == nil {
		t.Errorf("no request to stop: %v", err)
	}
}
