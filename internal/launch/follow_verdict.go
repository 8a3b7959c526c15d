package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
)

// Phases of verdicts that say nothing of the run's end. They are not in its record.
const (
	PhaseDetached    = "detached"    // the run goes on without its launcher, or may do so
	PhaseUnsubmitted = "unsubmitted" // the cluster has no application of the run
)

// EndUnknown says that a verdict of Follow says nothing of the run's end.
func EndUnknown(v record.Verdict) bool {
	return v.Phase == PhaseDetached || v.Phase == PhaseUnsubmitted
}

// judgement is a verdict on the run.
type judgement struct {
	record.Verdict
	recorded bool // the record has a verdict that says so already
}

// judgeDriver returns the driver's verdict, or what the manager knows better.
func (f *following) judgeDriver() *judgement {
	v := underSignal(f.driver.last(), f.stop.why)
	var hopeless *hopelessError
	switch {
	case errors.As(f.stop.why, &hopeless) && v.Code != exit.Done:
		return &judgement{Verdict: saidBy(hopeless.state, v)}
	case f.stop.why == nil && v.Code == exit.Interrupted && f.app.standing == appEnded:
		// Its container was ended, by somebody else: the manager knows by whom.
		return &judgement{Verdict: saidBy(f.app.state, v)}
	case v.Code == exit.NotFormed && f.app.waited != "":
		v.Cause += ": " + f.app.waited
	}
	return &judgement{v, f.driver.verdict != nil}
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
func (f *following) judgeSilent() *judgement {
	var signal Signal
	var hopeless *hopelessError
	var v record.Verdict
	switch {
	case errors.As(f.stop.why, &hopeless):
		v = hopeless.state.Verdict()
	case errors.As(f.stop.why, &signal):
		v = record.Verdict{Code: signal.ExitCode(), Cause: signal.Error(), Phase: "interrupted", Retryable: true}
	case f.stop.why != nil:
		v = record.Verdict{Code: exit.NotFormed, Phase: "submit", Retryable: true}
		v.Cause = withReason(fmt.Sprintf("%v within %v (timeouts.reservation)", errFormation, f.c.Formation), f.app.waited)
	case f.app.standing == appEnded:
		v = f.app.state.Verdict()
	case f.app.known || f.driver.stage > stageUnbegun:
		v = record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, Cause: "the cluster manager has forgotten the application, and its driver has left no verdict"}
	default:
		v = f.submission.verdict(f.c)
	}
	return &judgement{Verdict: v}
}

// judgeOutOfReach judges a run of which nobody can be asked.
func (f *following) judgeOutOfReach(why string) *judgement {
	v := record.Verdict{Code: exit.NoSpark, Phase: PhaseDetached, Retryable: true, Cause: why + ": the run may go on in the cluster"}
	var signal Signal
	switch {
	case errors.As(f.stop.why, &signal):
		v.Code = signal.ExitCode()
	case errors.Is(f.stop.why, errFormation):
		v.Code = exit.NotFormed
	}
	return &judgement{Verdict: v}
}

// detached judges a run that its launcher leaves alone.
func detached(why error) judgement {
	v := record.Verdict{Code: exit.Interrupted, Phase: PhaseDetached}
	var signal Signal
	if errors.As(why, &signal) {
		v.Code = signal.ExitCode()
	}
	v.Cause = fmt.Sprintf("%v: the run goes on in the cluster", why)
	return judgement{Verdict: v}
}

// conclude completes the verdict. If the run has ended, it writes it into a record that has
// none.
func (f *following) conclude(ctx context.Context, j judgement) (record.Verdict, error) {
	v := j.Verdict
	v.Run, v.Record = f.c.Run, f.c.Record
	if EndUnknown(v) {
		return v, nil
	}
	v = f.withOutput(ctx, v)
	if v.Seconds == nil {
		v.Seconds = map[string]float64{"total": time.Since(f.c.Submitted).Round(time.Millisecond).Seconds()}
	}
	if j.recorded {
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
	pages := f.app.state.Logs
	if f.driver.hasJudged() {
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
