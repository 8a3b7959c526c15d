package launch

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/store"
)

// PhaseDetached is the phase of a run that goes on without its launcher.
const PhaseDetached = "detached"

// FollowConfig describes a run in a cluster that is followed: by its record, which the
// driver writes, and by its manager. A time of zero means the default named with it.
type FollowConfig struct {
	Run     string
	Record  string // the folder
	Store   store.Store
	Manager cluster.Manager

	// Formation bounds the time from Submitted until the SparkContext is up; 0: no bound.
	Formation time.Duration
	Submitted time.Time
	Grace     time.Duration // from the request to stop until the application is killed; default 15 s
	Stop      time.Duration // for the application's end, after the verdict or Grace; default 60 s
	Unknown   time.Duration // that a manager may not know the application; default 30 s
	Look      time.Duration // between two looks at the record; default 1 s

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
	set(&c.Look, time.Second)
	if c.Event == nil {
		c.Event = func(record.Event) {}
	}
	if c.State == nil {
		c.State = func(cluster.State) {}
	}
}

// settleTime is how long the record of an application that has ended may lack what its
// driver has written last.
const settleTime = 3 * time.Second

// tellEvery is the shortest time between two answers of a manager that differ in their words
// alone: those of a queue have numbers.
const tellEvery = 10 * time.Second

// Follow follows a run until it has ended and its application too. If nobody else has
// judged the run, Follow writes the verdict into the record: what the manager says.
//
// The end of ctx stops the run, or leaves it alone: see Detach. The error is not nil only
// if the record cannot be written. Everything about the run itself is in the verdict.
func Follow(ctx context.Context, c FollowConfig) (record.Verdict, error) {
	c.setDefaults()
	f := &following{c: c, record: record.Follow(c.Store, c.Record)}
	asking := context.WithoutCancel(ctx)
	cancelled, kill := ctx.Done(), c.Kill
	tick := time.NewTicker(c.Look)
	defer tick.Stop()
	for {
		f.look(asking)
		if v, done := f.judge(asking, time.Now()); done {
			return f.conclude(asking, v)
		}
		select {
		case <-tick.C:
		case <-cancelled:
			cancelled = nil
			if c.Detach {
				return f.conclude(asking, detached(context.Cause(ctx)))
			}
			f.requestStop(asking, context.Cause(ctx))
		case <-kill:
			kill = nil
			f.kill(asking, Signal{syscall.SIGTERM})
		}
	}
}

// following is a run that is followed.
type following struct {
	c      FollowConfig
	record *record.Follower

	app     cluster.App
	state   cluster.State // the newest
	waited  string        // the manager's last words before the cluster had formed
	formed  bool
	asked   time.Time // when the manager was asked last
	told    time.Time // when State was called last
	known   bool      // the manager has known the application
	unknown time.Time // since when it does not; zero: it does
	up      bool      // the SparkContext was up
	adopted bool      // the driver has begun to write the record
	ended   time.Time // when the application was seen to have ended
	driver  *record.Verdict
	verdict *record.Verdict // of the record
	judged  time.Time       // when a verdict was seen first

	stopReason error // a Signal or errFormation
	stopped    time.Time
	killed     bool
	warned     map[string]bool
}

// look reads what is new in the record, and asks the manager.
func (f *following) look(ctx context.Context) {
	f.readRecord(ctx)
	if pause := 3 * f.c.Look; f.asked.IsZero() || time.Since(f.asked) >= pause || f.killed {
		f.askManager(ctx)
		f.asked = time.Now()
	}
}

func (f *following) readRecord(ctx context.Context) {
	entries, err := f.record.Next(ctx)
	if err != nil {
		f.warn("record", fmt.Sprintf("the run's record cannot be read: %v", err))
		return
	}
	for _, entry := range entries {
		switch e := entry.Event.(type) {
		case nil: // of a newer driver
		case record.Verdict:
			f.driver = &e
		case record.Context:
			f.up, f.app.ID = true, e.Application
			f.c.Event(e)
		case record.Formed:
			f.formed = true
			f.c.Event(e)
		default:
			f.c.Event(e)
		}
	}
	f.adopted = f.adopted || len(entries) > 0
	if f.verdict == nil && (f.driver != nil || !f.ended.IsZero()) {
		if f.verdict, err = f.record.Verdict(ctx); err != nil {
			f.warn("record", fmt.Sprintf("the run's verdict cannot be read: %v", err))
		}
	}
	if f.judged.IsZero() && (f.driver != nil || f.verdict != nil) {
		f.judged = time.Now()
	}
}

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
		f.warn("manager", fmt.Sprintf("the cluster manager cannot be asked, the run is followed by its record: %v", err))
		return
	}
	if f.unknown.IsZero() {
		f.unknown = time.Now()
	}
}

// judge returns the verdict if the run has ended, and its application too. Otherwise it does
// what is due: it ends an application that takes too long to begin or to end.
func (f *following) judge(ctx context.Context, now time.Time) (record.Verdict, bool) {
	gone := !f.ended.IsZero() || !f.unknown.IsZero() && now.Sub(f.unknown) >= f.c.Unknown
	switch {
	case !f.judged.IsZero() && gone:
		if f.verdict != nil || now.Sub(f.judged) >= settleTime {
			return f.judgeDriver(), true
		}
	case !f.judged.IsZero():
		if now.Sub(f.judged) >= f.c.Stop {
			if f.killed {
				return f.judgeDriver(), true
			}
			f.warn("linger", fmt.Sprintf("the application did not end within %v after the verdict: it is killed", f.c.Stop))
			f.kill(ctx, errLinger)
		}
	case gone && (f.ended.IsZero() || now.Sub(f.ended) >= settleTime):
		return f.judgeSilent(), true
	case gone:
	case f.stopReason != nil && !f.killed && now.Sub(f.stopped) >= f.c.Grace+f.c.Stop:
		return f.outOfReach(), true
	case f.stopReason != nil && !f.killed && now.Sub(f.stopped) >= f.c.Grace:
		f.kill(ctx, f.stopReason)
	case f.stopReason == nil && !f.formed && f.state.Final:
		f.kill(ctx, &hopelessError{f.state})
	case f.stopReason == nil && !f.up && f.c.Formation > 0 && now.Sub(f.c.Submitted) >= f.c.Formation:
		f.kill(ctx, errFormation)
	}
	return record.Verdict{}, false
}

// judgeDriver returns the driver's verdict.
func (f *following) judgeDriver() record.Verdict {
	v := f.verdict
	if v == nil {
		v = f.driver
	}
	judged := underSignal(*v, f.stopReason)
	var hopeless *hopelessError
	if errors.As(f.stopReason, &hopeless) && v.Code != exit.Done {
		f.verdict = nil
		return saidBy(hopeless.state, judged)
	}
	if f.stopReason == nil && judged.Code == exit.Interrupted && !f.ended.IsZero() {
		// Its container was ended, by somebody else: the manager knows by whom.
		judged, f.verdict = saidBy(f.state, judged), nil
	}
	if judged.Code == exit.NotFormed && f.waited != "" {
		judged.Cause += ": " + f.waited
	}
	return judged
}

// underSignal returns the driver's verdict of a run that a signal may have ended: its code
// says how members took that.
func underSignal(v record.Verdict, why error) record.Verdict {
	var signal Signal
	if v.Code != exit.Done && errors.As(why, &signal) {
		v.Code, v.Cause, v.Phase, v.Retryable = signal.ExitCode(), signal.Error(), "interrupted", true
	}
	return v
}

// judgeSilent judges a run whose driver has written no verdict, by what the manager says.
func (f *following) judgeSilent() record.Verdict {
	var signal Signal
	var hopeless *hopelessError
	switch {
	case errors.As(f.stopReason, &hopeless):
		return hopeless.state.Verdict()
	case errors.As(f.stopReason, &signal):
		return record.Verdict{Code: signal.ExitCode(), Cause: signal.Error(), Phase: "interrupted", Retryable: true}
	case f.stopReason != nil:
		v := record.Verdict{Code: exit.NotFormed, Phase: "submit", Retryable: true}
		v.Cause = withReason(fmt.Sprintf("%v within %v (timeouts.reservation)", errFormation, f.c.Formation), f.waited)
		return v
	case f.ended.IsZero() && !f.known:
		return record.Verdict{Code: exit.NoSpark, Phase: "submit", Retryable: true, Cause: "the cluster manager knows no application of the run: it was not submitted, or was forgotten"}
	case f.ended.IsZero():
		return record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, Cause: "the cluster manager has forgotten the application, and its driver has left no verdict"}
	}
	return f.state.Verdict()
}

// outOfReach is the verdict where the application is to end, and its manager does not answer.
func (f *following) outOfReach() record.Verdict {
	v := detached(f.stopReason)
	if errors.Is(f.stopReason, errFormation) {
		v.Code = exit.NotFormed
	}
	v.Cause = fmt.Sprintf("%v: the cluster manager does not answer, and the run may go on in the cluster", f.stopReason)
	return v
}

// conclude completes the verdict. If the run has ended, it writes it into a record that has
// none.
func (f *following) conclude(ctx context.Context, v record.Verdict) (record.Verdict, error) {
	v.Run, v.Record = f.c.Run, f.c.Record
	if v.Phase == PhaseDetached {
		return v, nil
	}
	if v.Seconds == nil {
		v.Seconds = map[string]float64{"total": time.Since(f.c.Submitted).Round(time.Millisecond).Seconds()}
	}
	if f.verdict != nil {
		return v, nil
	}
	if err := record.Conclude(ctx, f.c.Store, f.c.Record, time.Now(), v); err != nil {
		return v, fmt.Errorf("launch: %w", err)
	}
	return v, nil
}

// requestStop asks the driver to end in order. A driver that has not begun is not asked.
func (f *following) requestStop(ctx context.Context, why error) {
	if f.stopReason != nil {
		return
	}
	f.stopReason, f.stopped = why, time.Now()
	if f.adopted {
		err := f.record.RequestStop(ctx, record.Stop{Reason: why.Error()})
		if err == nil {
			return
		}
		f.warn("stop", fmt.Sprintf("the driver cannot be asked to end: %v", err))
	}
	f.kill(ctx, why)
}

// kill ends the application at once.
func (f *following) kill(ctx context.Context, why error) {
	if f.killed {
		return
	}
	if f.stopReason == nil {
		f.stopReason, f.stopped = why, time.Now()
	}
	if f.app.ID == "" {
		app, err := f.c.Manager.Find(ctx)
		if err != nil {
			f.noteUnknown(err)
			return
		}
		f.app = app
	}
	err := f.c.Manager.Kill(ctx, f.app)
	if err != nil {
		f.warn("kill", fmt.Sprintf("the application cannot be killed: %v", err))
	}
	f.killed = err == nil
}

// detached is the verdict of a launcher that leaves the run alone.
func detached(why error) record.Verdict {
	v := record.Verdict{Code: exit.Interrupted, Phase: PhaseDetached}
	var signal Signal
	if errors.As(why, &signal) {
		v.Code = signal.ExitCode()
	}
	v.Cause = fmt.Sprintf("%v: the run goes on in the cluster", why)
	return v
}

// warn reports each kind of trouble once.
func (f *following) warn(kind, text string) {
	if f.warned == nil {
		f.warned = map[string]bool{}
	}
	if !f.warned[kind] {
		f.warned[kind] = true
		f.c.Event(record.Warning{Message: text})
	}
}
