package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/record"
)

// tellEvery is the shortest time between two answers of a manager that differ in their words
// alone: those of a queue have numbers.
const tellEvery = 10 * time.Second

// silenceEvery is the time between two warnings that the manager does not answer.
const silenceEvery = 10 * time.Minute

// askManager asks how the application is.
func (f *following) askManager(ctx context.Context) {
	if f.app.ID == "" {
		if app, err := f.c.Manager.Find(ctx); err == nil {
			f.app = app
		} else {
			f.noteUnknown(err)
			return
		}
	}
	state, err := f.c.Manager.State(ctx, f.app)
	if err != nil {
		f.noteUnknown(err)
		return
	}
	f.noteAnswer()
	f.unknown, f.known = time.Time{}, true
	if now := time.Now(); state.Phase != f.state.Phase || state.Words != f.state.Words && now.Sub(f.told) >= tellEvery {
		f.c.State(state)
		f.told = now
	}
	f.state = state
	if words := cluster.OneLine(state.Words); words != "" && !f.formed && !state.Phase.Ended() {
		f.waited = words
	}
	if state.Phase.Ended() && f.ended.IsZero() {
		f.ended = time.Now()
	}
}

// noteUnknown notes an answer that says nothing of the application. A manager that does not
// answer is asked again: the record may say all that is needed.
func (f *following) noteUnknown(err error) {
	if !errors.Is(err, cluster.ErrUnknown) {
		f.noteSilence(err)
		return
	}
	f.noteAnswer()
	if f.unknown.IsZero() {
		f.unknown = time.Now()
	}
	if f.orphan.IsZero() && f.c.Submission() == Abandoned {
		f.orphan = time.Now()
	}
}

// silence is a time in which the manager does not answer.
type silence struct {
	since, told time.Time
	err         error
}

// noteSilence warns of a manager that does not answer: at first, and every silenceEvery.
func (f *following) noteSilence(err error) {
	now := time.Now()
	f.unknown, f.orphan = time.Time{}, time.Time{} // it must say so again
	if f.silence == nil {
		f.silence = &silence{since: now, told: now}
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager cannot be asked, the run is followed by its record: %v", err)})
	}
	f.silence.err = err
	if now.Sub(f.silence.told) >= silenceEvery {
		f.silence.told = now
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager has not answered for %v: %v", now.Sub(f.silence.since).Round(time.Second), err)})
	}
}

// noteAnswer notes that the manager answers.
func (f *following) noteAnswer() {
	f.heard = time.Now()
	if f.silence != nil {
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager answers again, after %v", time.Since(f.silence.since).Round(time.Second))})
		f.silence = nil
	}
}
