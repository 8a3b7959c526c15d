package launch

import (
	"context"
	"errors"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
)

// askTimeout bounds what the cluster manager is asked after a failure.
const askTimeout = 10 * time.Second

// askManager adds to the verdict of a failed run what the cluster manager says of it. What
// the manager does not say leaves the verdict as it is: the manager may be what failed.
func (w *watch) askManager(v record.Verdict) record.Verdict {
	var hopeless *hopelessError // the verdict is the manager's
	if v.Code == exit.Done || v.Phase == cluster.PhaseInterrupted || errors.As(w.stopReason, &hopeless) {
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
	state, err := w.c.Manager.State(ctx, app)
	switch {
	case err != nil:
	case state.Phase == cluster.Killed: // the driver only sees that everything goes away
		said := state.Verdict()
		v.Code, v.Cause, v.Phase, v.Retryable = said.Code, said.Cause, said.Phase, said.Retryable
		v.Member, v.Host, v.ExitCode, v.Signal, v.Stderr = "", "", 0, 0, nil
		return v
	case v.Code == exit.NotFormed && state.Words != "":
		v.Cause += ": " + cluster.OneLine(state.Words)
	}
	if v.Phase == reserve.PhaseExecutors && len(v.Stderr) == 0 {
		v.Stderr, v.LogPath = w.executorOutput(ctx, app, v.LogPath)
	}
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
type hopelessError struct{ notice cluster.Notice }

func (e *hopelessError) Error() string { return e.notice.Words }

func (e *hopelessError) verdict() record.Verdict {
	return cluster.State{Phase: cluster.Waiting, Cause: e.notice.Cause, Words: e.notice.Words}.Verdict()
}

// followManager has a manager that forgets look on. The function that it returns ends that.
func (w *watch) followManager() (end func()) {
	follower, ok := w.c.Manager.(cluster.Follower)
	if !ok {
		return func() {}
	}
	w.notices = make(chan cluster.Notice)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Follow(ctx, func(n cluster.Notice) {
			select {
			case w.notices <- n:
			case <-ctx.Done():
			}
		})
	}()
	return func() {
		cancel()
		<-done
	}
}

// handleNotice shows what the application waits for, and ends a run for which that will not
// come.
func (w *watch) handleNotice(n cluster.Notice) {
	w.c.Event(record.Warning{Message: n.Words})
	if n.Final && w.formed.IsZero() {
		w.requestEnd(&hopelessError{n})
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
