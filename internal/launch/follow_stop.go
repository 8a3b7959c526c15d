package launch

import (
	"context"
	"fmt"
	"time"

	"tfos/internal/record"
)

// stop is the end that this launcher wants of the run.
type stop struct {
	why    error // a Signal, errFormation, errLinger or a *hopelessError; nil: it wants none
	since  time.Time
	killed bool // the manager was told to kill the application
}

// want notes why the run shall end. The first reason counts.
func (s *stop) want(why error) {
	if s.why == nil {
		s.why, s.since = why, time.Now()
	}
}

// requestStop asks the driver to end in order. An application whose driver has not begun is
// killed. If it cannot be, its driver is asked when it begins.
func (f *following) requestStop(ctx context.Context, why error) {
	if f.stop.why != nil {
		return
	}
	f.stop.want(why)
	if f.driver.stage == stageUnbegun {
		f.kill(ctx, why)
	}
	if f.stop.killed {
		return
	}
	if err := f.driver.record.RequestStop(ctx, record.Stop{Reason: why.Error()}); err != nil {
		f.warn("stop", fmt.Sprintf("the driver cannot be asked to end: %v", err))
		f.kill(ctx, why)
	}
}

// kill ends the application at once.
func (f *following) kill(ctx context.Context, why error) {
	if f.stop.killed {
		return
	}
	f.stop.want(why)
	if f.app.ID == "" {
		app, err := f.c.Manager.Find(ctx)
		if err != nil {
			f.noteNoAnswer(err, time.Now())
			return
		}
		f.app.App = app
	}
	if err := f.c.Manager.Kill(ctx, f.app.App); err != nil {
		f.warn("kill", fmt.Sprintf("the application cannot be killed: %v", err))
		return
	}
	f.stop.killed = true
}
