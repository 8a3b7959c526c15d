package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// watch follows one run: what is known of it, and what was done to it.
type watch struct {
	c     Config
	group *group

	driver    int // pid; 0: not known
	begin     time.Time
	context   time.Time // when the SparkContext was up; zero: never
	formed    time.Time
	exporting time.Time       // when the first member said so
	said      *record.Verdict // by the driver
	saidAt    time.Time
	stop      error // why we ended it: a Signal, errFormation, errLinger
	last      time.Time
	formation <-chan time.Time
	grace     <-chan time.Time
	linger    <-chan time.Time
}

var (
	errFormation = errors.New("the Spark application did not start")
	errLinger    = errors.New("spark-submit did not end after the verdict")
)

func newWatch(c Config, g *group, begin time.Time) *watch {
	w := &watch{c: c, group: g, begin: begin}
	if c.Formation > 0 {
		w.formation = time.After(c.Formation)
	}
	return w
}

// loop ends when the group is gone and all events are taken.
func (w *watch) loop(ctx context.Context, events <-chan record.Event, settled <-chan struct{}) {
	cancelled, kill := ctx.Done(), w.c.Kill
	for events != nil || settled != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.event(e)
		case <-settled:
			settled = nil
			w.group.gone = true
			w.last = time.Now()
		case <-cancelled:
			cancelled = nil
			w.end(context.Cause(ctx))
		case <-kill:
			kill = nil
			w.group.signal(syscall.SIGKILL)
		case <-w.formation:
			w.end(errFormation)
		case <-w.linger:
			w.c.Event(record.Warning{Message: fmt.Sprintf("%v within %v: it is ended", errLinger, w.c.Stop)})
			w.end(errLinger)
		case <-w.grace:
			w.group.signal(syscall.SIGKILL)
		}
	}
}

// end asks for an orderly end, once, and sets the time for the other one.
func (w *watch) end(why error) {
	if w.stop != nil {
		return
	}
	w.stop = why
	w.formation, w.linger = nil, nil
	w.group.terminate(w.driver)
	w.grace = time.After(w.c.Grace)
}

func (w *watch) event(e record.Event) {
	switch e := e.(type) {
	case record.Driver:
		w.driver = e.PID
		if w.c.NoSpark {
			w.formation = nil
		}
	case record.Context:
		w.context = time.Now()
		w.formation = nil
	case record.Formed:
		w.formed = time.Now()
	case record.Progress:
		if w.exporting.IsZero() && slices.ContainsFunc(e.Members, func(m record.MemberPhase) bool { return m.Phase == "exporting" }) {
			w.exporting = time.Now()
		}
	case record.Verdict:
		if w.said != nil {
			return // the first counts
		}
		w.said, w.saidAt = &e, time.Now()
		if w.group.gone { // it lay in the pipe
			w.saidAt = w.last
		}
		if w.stop == nil {
			w.linger = time.After(w.c.Stop)
		}
	}
	w.c.Event(e)
}

// verdict is the judgement once everything has ended; program is what the
// driver printed beside its events.
func (w *watch) verdict(program *digest) record.Verdict {
	v := w.judge(program)
	v.Run, v.Record = w.c.Run, w.c.Record
	v.Seconds = w.seconds()
	return v
}

func (w *watch) judge(program *digest) record.Verdict {
	var signal Signal
	interrupted := errors.As(w.stop, &signal)
	switch {
	case w.said != nil && (w.said.Code == exit.Done || !interrupted):
		v := *w.said
		if v.Code == exit.NoSpark { // Spark alone has said more
			v.LogPath = w.c.sparkLog()
		}
		return v
	case w.said != nil: // its code is how members took the interruption
		v := *w.said
		v.Code, v.Cause, v.Phase, v.Retryable = signal.ExitCode(), signal.Error(), "interrupted", true
		return v
	case interrupted:
		return record.Verdict{Code: signal.ExitCode(), Cause: signal.Error(), Phase: "interrupted", Retryable: true}
	case w.stop != nil && !errors.Is(w.stop, errFormation):
		return record.Verdict{Code: exit.Interrupted, Cause: w.stop.Error(), Phase: "interrupted", Retryable: true}
	}
	return w.silent(program)
}

// silent judges a run that ended without a verdict by how far it came. Spark's
// PythonRunner puts the driver's standard error into its standard output, so
// an exception of the driver is in program, and Spark's own in its log, before
// much that is only about shutting down.
func (w *watch) silent(program *digest) record.Verdict {
	path := w.c.sparkLog()
	log, err := digestFile(path) // has both
	if err != nil {
		log.tail = []string{"(Spark's log cannot be read: " + err.Error() + ")"}
	}
	how := ended(w.group.state)
	v := record.Verdict{Stderr: log.tail, LogPath: path, ExitCode: w.group.state.ExitCode(), Signal: endSignal(w.group.state)}
	switch {
	case errors.Is(w.stop, errFormation):
		v.Code, v.Phase, v.Retryable = exit.NotFormed, "submit", true
		v.Cause = fmt.Sprintf("%v within %v (timeouts.reservation)", errFormation, w.c.Formation)
	case w.context.IsZero() && !w.c.NoSpark:
		v.Code, v.Phase = exit.NoSpark, "submit"
		why := program.last
		if why == "" || strings.HasPrefix(why, "py4j.") { // Java's exception, which Spark's log has in full
			why = log.first
		}
		v.Cause = because("spark-submit ended before the application started ("+how+")", why)
	default:
		v.Code, v.Phase, v.Retryable = exit.Failed, "driver", true
		v.Cause = because("the driver died ("+how+")", program.last)
		if program.last != "" {
			v.Stderr = program.tail
		}
	}
	return v
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + strings.TrimSpace(why)
}

func ended(s *os.ProcessState) string {
	if n := endSignal(s); n != 0 {
		return signalName(syscall.Signal(n))
	}
	return fmt.Sprintf("exit %d", s.ExitCode())
}

// endSignal is the signal that ended the child; 0: none did.
func endSignal(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(status.Signal())
	}
	return 0
}

// seconds is how long each phase took. A phase that was not reached is absent.
func (w *watch) seconds() map[string]float64 {
	all := map[string]float64{"total": round(w.last.Sub(w.begin))}
	at := w.begin
	reached := func(phase string, end time.Time) {
		if !end.IsZero() {
			all[phase] = round(end.Sub(at))
			at = end
		}
	}
	reached("submit", w.context)
	reached("form", w.formed)
	if w.exporting.IsZero() {
		reached("run", w.saidAt)
	} else {
		reached("run", w.exporting)
		reached("export", w.saidAt)
	}
	reached("stop", w.last)
	return all
}

func round(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
