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
)

// settleTime is how long the record of an application that has ended may lack what its
// driver has written last.
const settleTime = 3 * time.Second

// Follow follows a run until it has ended and its application too. If nobody else has
// judged the run, Follow writes the verdict into the record: what the manager says.
//
// The end of ctx stops the run, or leaves it alone: see Detach. The error is not nil only
// if the record cannot be written. Everything about the run itself is in the verdict.
func Follow(ctx context.Context, c FollowConfig) (record.Verdict, error) {
	c.setDefaults()
	f := &following{c: c, record: record.Follow(c.Store, c.Record), heard: time.Now()}
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
	orphan  time.Time // since when its launcher is known to be dead
	heard   time.Time // when manager or record said something last
	silence *silence  // of the manager; nil: it answers
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
	if len(entries) > 0 {
		f.adopted, f.heard = true, time.Now()
	}
	if f.verdict == nil && (f.driver != nil || !f.ended.IsZero() || !f.unknown.IsZero()) {
		if f.verdict, err = f.record.Verdict(ctx); err != nil {
			f.warn("record", fmt.Sprintf("the run's verdict cannot be read: %v", err))
		}
	}
	if f.judged.IsZero() && (f.driver != nil || f.verdict != nil) {
		f.judged = time.Now()
	}
}

// gone says that no application of the run is left in the cluster.
func (f *following) gone(now time.Time) bool {
	switch {
	case !f.ended.IsZero():
		return true
	case f.unknown.IsZero():
		return false
	case f.known, f.adopted, f.verdict != nil:
		return now.Sub(f.unknown) >= f.c.Unknown
	}
	switch f.c.Submission() {
	case Submitting:
		return f.c.Formation > 0 && now.Sub(f.unknown) >= f.c.Formation
	case Abandoned:
		return !f.orphan.IsZero() && now.Sub(f.orphan) >= f.c.Abandoned && now.Sub(f.unknown) >= f.c.Abandoned
	}
	return now.Sub(f.unknown) >= f.c.Unknown
}

// judge returns the verdict if the run has ended, and its application too. Otherwise it does
// what is due: it ends an application that takes too long to begin or to end.
func (f *following) judge(ctx context.Context, now time.Time) (record.Verdict, bool) {
	gone := f.gone(now)
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
		why := "the application cannot be killed"
		if f.silence != nil {
			why = "the cluster manager does not answer"
		}
		return f.outOfReach(fmt.Sprintf("%v: %s", f.stopReason, why)), true
	case f.stopReason != nil && !f.killed && now.Sub(f.stopped) >= f.c.Grace:
		f.kill(ctx, f.stopReason)
	case f.stopReason == nil && !f.formed && f.state.Final:
		f.kill(ctx, &hopelessError{f.state})
	case f.stopReason == nil && f.known && !f.up && f.c.Formation > 0 && now.Sub(f.c.Submitted) >= f.c.Formation:
		f.kill(ctx, errFormation)
	case f.silence != nil && now.Sub(f.heard) >= f.c.Unreachable:
		return f.outOfReach(fmt.Sprintf("neither the cluster manager nor the driver was heard for %v (timeouts.unreachable): %v", f.c.Unreachable, f.silence.err)), true
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
	case f.ended.IsZero() && !f.known && !f.adopted:
		return f.judgeUnsubmitted()
	case f.ended.IsZero():
		return record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, Cause: "the cluster manager has forgotten the application, and its driver has left no verdict"}
	}
	return f.state.Verdict()
}

// judgeUnsubmitted judges a run of which the cluster has no application. After a launcher of
// another process the run has not begun: it may be submitted again.
func (f *following) judgeUnsubmitted() record.Verdict {
	v := record.Verdict{Code: exit.NoSpark, Phase: PhaseUnsubmitted, Retryable: true}
	switch f.c.Submission() {
	case Submitted:
		v.Phase, v.Cause = "submit", "the cluster manager knows no application of the run, though spark-submit has submitted it"
	case Submitting:
		v.Cause = fmt.Sprintf("the run was not submitted within %v (timeouts.reservation)", f.c.Formation)
	case Abandoned:
		v.Cause = "the run was not submitted: its launcher ended before"
	}
	return v
}

// outOfReach is the verdict on a run of which nobody can be asked.
func (f *following) outOfReach(why string) record.Verdict {
	v := record.Verdict{Code: exit.NoSpark, Phase: PhaseDetached, Retryable: true, Cause: why + ": the run may go on in the cluster"}
	var signal Signal
	switch {
	case errors.As(f.stopReason, &signal):
		v.Code = signal.ExitCode()
	case errors.Is(f.stopReason, errFormation):
		v.Code = exit.NotFormed
	}
	return v
}

// conclude completes the verdict. If the run has ended, it writes it into a record that has
// none.
func (f *following) conclude(ctx context.Context, v record.Verdict) (record.Verdict, error) {
	v.Run, v.Record = f.c.Run, f.c.Record
	if v.Phase == PhaseDetached || v.Phase == PhaseUnsubmitted {
		return v, nil
	}
	v = f.withOutput(ctx, v)
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

// withOutput adds the last lines of a failed run's log, which its manager has: of the member
// that the verdict names, or of a driver that has left no verdict.
func (f *following) withOutput(ctx context.Context, v record.Verdict) record.Verdict {
	reader, can := f.c.Manager.(cluster.LogReader)
	if !can || v.Code == exit.Done || v.Phase == cluster.PhaseInterrupted || len(v.Stderr) > 0 {
		return v
	}
	pages := f.state.Logs
	if f.driver != nil || f.verdict != nil {
		pages = []string{v.LogPath}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, page := range pages {
		if !isPage(page) {
			continue
		}
		if lines, err := reader.Lines(ctx, page); err == nil && len(lines) > 0 {
			v.Stderr, v.LogPath = lines, page
			return v
		}
	}
	return v
}

// requestStop asks the driver to end in order. An application whose driver has not begun is
// killed. If it cannot be, its driver is asked when it begins.
func (f *following) requestStop(ctx context.Context, why error) {
	if f.stopReason != nil {
		return
	}
	f.stopReason, f.stopped = why, time.Now()
	if !f.adopted {
		f.kill(ctx, why)
	}
	if f.killed {
		return
	}
	if err := f.record.RequestStop(ctx, record.Stop{Reason: why.Error()}); err != nil {
		f.warn("stop", fmt.Sprintf("the driver cannot be asked to end: %v", err))
		f.kill(ctx, why)
	}
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
