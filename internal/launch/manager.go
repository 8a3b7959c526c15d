package launch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
)

// askTimeout bounds what the cluster manager is asked after a failure.
const askTimeout = 10 * time.Second

// askManager ends what is left of a failed run's application, and adds to the verdict what the
// cluster manager says of it. What the manager does not say leaves the verdict as it is: the
// manager may be what failed.
func (w *watch) askManager(v record.Verdict) record.Verdict {
	defer w.cleanCluster()
	if v.Code == exit.Done {
		return v
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	app := w.app
	if app.ID == "" {
		var err error
		if app, err = w.c.Manager.Find(ctx); err != nil {
			return v
		}
	}
	state, err := w.endApplication(ctx, app)
	switch {
	case v.Phase == cluster.PhaseInterrupted:
		return v
	case err != nil:
	case state.Phase == cluster.Killed: // the driver only sees that everything goes away
		return saidBy(state, v)
	}
	if words := w.waitedFor(state); !strings.Contains(v.Cause, words) && v.Code == exit.NotFormed && words != "" {
		v.Cause += ": " + words
	}
	if w.log != nil {
		v.Stderr = <-w.log
	}
	if v.Phase == reserve.PhaseExecutors && len(v.Stderr) == 0 {
		v.Stderr, v.LogPath = w.executorOutput(ctx, app, v.LogPath)
	}
	return v
}

// Times of an application whose driver has ended: until the manager must say so by itself,
// and between two questions.
const (
	ownEnd      = 4 * time.Second
	ownEndPause = 200 * time.Millisecond
)

// endApplication returns how an application was when its driver had ended. One that the
// manager still has after ownEnd is killed: it waits in a queue for a driver that is gone.
func (w *watch) endApplication(ctx context.Context, app cluster.App) (cluster.State, error) {
	for begin := time.Now(); ; time.Sleep(ownEndPause) {
		state, err := w.c.Manager.State(ctx, app)
		switch {
		case err != nil, state.Phase.Ended():
			return state, err
		case state.Phase == cluster.Waiting, time.Since(begin) > ownEnd:
			if err := w.c.Manager.Kill(ctx, app); err != nil {
				w.c.Event(record.Warning{Message: fmt.Sprintf("the application %s was not ended: %v", app.ID, err)})
			}
			return state, nil
		}
	}
}

// waitedFor is why the application had not all that it asked for, in the manager's words.
func (w *watch) waitedFor(state cluster.State) string {
	if !w.phases.Formed.IsZero() {
		return ""
	}
	if w.queued.Words != "" {
		return w.queued.Words
	}
	return cluster.OneLine(state.Words)
}

// readLog reads the log of a member that is gone, as soon as the verdict is there: a manager
// shows it as long as the application runs. nil: there is nothing to read.
func readLog(m cluster.Manager, v record.Verdict) <-chan []string {
	reader, can := m.(cluster.LogReader)
	if !can || v.Code == exit.Done || len(v.Stderr) > 0 || !isPage(v.LogPath) {
		return nil
	}
	lines := make(chan []string, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		last, _ := reader.Lines(ctx, v.LogPath) // without them the verdict names the page
		lines <- last
	}()
	return lines
}

// isPage reports whether a verdict's log is a page of the manager's.
func isPage(path string) bool { return strings.HasPrefix(path, "http") }

// saidBy returns a verdict with the manager's cause in the place of the driver's. What the
// run has done stays.
func saidBy(state cluster.State, v record.Verdict) record.Verdict {
	said := state.Verdict()
	v.Code, v.Cause, v.Phase, v.Retryable = said.Code, said.Cause, said.Phase, said.Retryable
	v.Member, v.Host, v.ExitCode, v.Signal, v.Stderr = "", "", said.ExitCode, 0, said.Stderr
	return v
}

// executorOutput returns the last lines of the first executor that has some, and where
// they are.
func (w *watch) executorOutput(ctx context.Context, app cluster.App, path string) ([]string, string) {
	executors, _ := w.c.Manager.Executors(ctx, app) // those before an error count
	for _, e := range executors {
		if len(e.Lines) > 0 {
			if e.LogURL != "" {
				path = e.LogURL
			}
			return e.Lines, path
		}
	}
	return nil, path
}

// hopelessError ends a run that waits for what will not come.
type hopelessError struct{ state cluster.State }

func (e *hopelessError) Error() string { return e.state.Words }

// beside returns the verdict of what the manager says of an application whose driver is a process
// of the launcher's: what the manager saw to end is not the driver.
func beside(state cluster.State) record.Verdict {
	v := state.Verdict()
	if v.Phase == cluster.PhaseDriver {
		v.Cause = withReason("the application ended before the cluster had formed", cluster.OneLine(state.Words))
	}
	return v
}

// followManager has a manager that forgets look on. The function that it returns ends that.
func (w *watch) followManager() (end func()) {
	follower, ok := w.c.Manager.(cluster.Follower)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Follow(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// cleanCluster ends what a driver that is gone has left in a cluster.
func (w *watch) cleanCluster() {
	follower, ok := w.c.Manager.(cluster.Follower)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := follower.Clean(ctx); err != nil {
		w.c.Event(record.Warning{Message: err.Error()})
	}
}
