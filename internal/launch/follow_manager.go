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

// standing is what the cluster manager says of the run's application.
type standing int

const (
	appUnasked standing = iota
	appSilent           // the manager does not answer
	appUnknown          // it knows no application of the run
	appPresent          // the application waits or runs
	appEnded            // it has ended, and stays so
)

// application is the run's application, as the cluster manager has it.
type application struct {
	cluster.App
	standing standing
	since    time.Time     // of this standing
	silence  silence       // while standing is silent
	known    bool          // the manager has known the application
	state    cluster.State // the newest
	waited   string        // the manager's last words before the cluster had formed
	asked    time.Time     // when the manager was asked last
	told     time.Time     // when FollowConfig.State was called last
}

// silence is why the manager does not answer, and when the user was told last.
type silence struct {
	err  error
	told time.Time
}

// stands notes a standing. An application that has ended does not come back.
func (a *application) stands(s standing, now time.Time) {
	if a.standing != s && a.standing != appEnded {
		a.standing, a.since = s, now
	}
}

// whyNotKilled is for people.
func (a *application) whyNotKilled() string {
	if a.standing == appSilent {
		return "the cluster manager does not answer"
	}
	return "the application cannot be killed"
}

// askManager asks how the application is.
func (f *following) askManager(ctx context.Context) {
	if f.app.ID == "" {
		app, err := f.c.Manager.Find(ctx)
		if err != nil {
			f.noteNoAnswer(err, time.Now())
			return
		}
		f.app.App = app
	}
	state, err := f.c.Manager.State(ctx, f.app.App)
	if err != nil {
		f.noteNoAnswer(err, time.Now())
		return
	}
	f.noteState(state, time.Now())
}

// noteState notes an answer.
func (f *following) noteState(state cluster.State, now time.Time) {
	f.noteHeard(now)
	a := &f.app
	if state.Phase != a.state.Phase || state.Words != a.state.Words && now.Sub(a.told) >= tellEvery {
		f.c.State(state)
		a.told = now
	}
	a.known, a.state = true, state
	if state.Phase.Ended() {
		a.stands(appEnded, now)
		return
	}
	a.stands(appPresent, now)
	if words := cluster.OneLine(state.Words); words != "" && f.driver.stage < stageFormed {
		a.waited = words
	}
}

// noteNoAnswer notes an answer that says nothing of the application. A manager that does not
// answer is asked again: the record may say all that is needed.
func (f *following) noteNoAnswer(err error, now time.Time) {
	if !errors.Is(err, cluster.ErrUnknown) {
		f.noteSilence(err, now)
		return
	}
	f.noteHeard(now)
	f.app.stands(appUnknown, now)
	f.submission.look(f.c.Submission(), now)
}

// noteSilence warns of a manager that does not answer: at first, and every silenceEvery.
func (f *following) noteSilence(err error, now time.Time) {
	a := &f.app
	f.submission = submission{} // the manager must say again that it knows no application
	switch {
	case a.standing == appEnded:
		return
	case a.standing != appSilent:
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager cannot be asked, the run is followed by its record: %v", err)})
	case now.Sub(a.silence.told) >= silenceEvery:
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager has not answered for %v: %v", now.Sub(a.since).Round(time.Second), err)})
	default:
		a.silence.err = err
		return
	}
	a.stands(appSilent, now)
	a.silence = silence{err, now}
}

// noteHeard notes that the manager answers.
func (f *following) noteHeard(now time.Time) {
	f.heard = now
	if f.app.standing == appSilent {
		f.c.Event(record.Warning{Message: fmt.Sprintf("the cluster manager answers again, after %v", now.Sub(f.app.since).Round(time.Second))})
	}
}
