package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
)

// watch follows one run: its events, and the signals sent to it.
type watch struct {
	c     Config
	group *group

	driver        int         // pid; 0 if not known
	app           cluster.App // Spark's application; the zero App before there is one
	waits         *queueWatch
	queued        record.Queued // the last event of this kind; zero: the application waits for nothing
	phases        record.Phases
	driverVerdict *record.Verdict // the driver's verdict
	log           <-chan []string // the last lines of the log that it names; nil: nobody reads it
	stopReason    error           // why the launcher ended the run: a Signal, errFormation, errLinger
	ended         time.Time
	formation     <-chan time.Time
	grace         <-chan time.Time
	linger        <-chan time.Time
}

var (
	errFormation = errors.New("the Spark application did not start")
	errLinger    = errors.New("spark-submit did not end after the verdict")
)

func newWatch(c Config, g *group, begin time.Time) *watch {
	w := &watch{c: c, group: g, waits: watchQueue(c.Manager), phases: record.Phases{Begin: begin}}
	if c.Formation > 0 {
		w.formation = time.After(c.Formation)
	}
	return w
}

// follow handles events until the group is gone and all events are received.
func (w *watch) follow(ctx context.Context, events <-chan record.Event, settled <-chan struct{}) {
	cancelled, kill := ctx.Done(), w.c.Kill
	defer w.waits.close()
	for events != nil || settled != nil {
		select {
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.handleEvent(e)
		case <-settled:
			settled = nil
			w.group.gone = true
			w.ended = time.Now()
		case <-cancelled:
			cancelled = nil
			w.requestEnd(context.Cause(ctx))
		case <-kill:
			kill = nil
			w.group.signal(syscall.SIGKILL)
		case s := <-w.waits.states:
			w.handleQueue(s)
		case <-w.formation:
			w.requestEnd(errFormation)
		case <-w.linger:
			w.c.Event(record.Warning{Message: fmt.Sprintf("%v within %v: it is ended", errLinger, w.c.Stop)})
			w.requestEnd(errLinger)
		case <-w.grace:
			w.group.signal(syscall.SIGKILL)
		}
	}
}

// requestEnd asks for an orderly end, once, and starts the timer for SIGKILL.
func (w *watch) requestEnd(why error) {
	if w.stopReason != nil {
		return
	}
	w.stopReason = why
	w.formation, w.linger = nil, nil
	w.waits.close()
	w.group.terminate(w.driver)
	w.grace = time.After(w.c.Grace)
}

func (w *watch) handleEvent(e record.Event) {
	if _, last := e.(record.Verdict); !last {
		w.phases.Note(time.Now(), e)
	}
	switch e := e.(type) {
	case record.Driver:
		w.driver = e.PID
		if w.c.NoSpark {
			w.formation = nil
		}
	case record.Context:
		w.app = cluster.App{ID: e.Application, ManagerURL: e.ManagerURL}
		w.waits.follow(w.app)
		w.formation = nil
	case record.Formed:
		w.waits.close()
	case record.Verdict:
		if w.driverVerdict != nil {
			return // only the first verdict counts
		}
		w.waits.close()
		w.driverVerdict, w.phases.Verdict = &e, time.Now()
		w.log = readLog(w.c.Manager, e)
		if w.group.gone { // it was still in the pipe
			w.phases.Verdict = w.ended
		}
		if w.stopReason == nil {
			w.linger = time.After(w.c.Stop)
		}
	}
	w.c.Event(e)
}

// verdict judges the run after everything has ended. program is the driver's
// output without events.
func (w *watch) verdict(program *digest) record.Verdict {
	v := w.askManager(w.judge(program))
	v.Run, v.Record = w.c.Run, w.c.Record
	v.Seconds = w.phases.Seconds(w.ended)
	return v
}

func (w *watch) judge(program *digest) record.Verdict {
	var signal Signal
	interrupted := errors.As(w.stopReason, &signal)
	var hopeless *hopelessError
	switch {
	case errors.As(w.stopReason, &hopeless):
		return beside(hopeless.state)
	case w.driverVerdict != nil:
		v := underSignal(*w.driverVerdict, w.stopReason)
		if v.Code == exit.NoSpark { // Spark's own log says more
			v.LogPath = w.c.sparkLog()
		}
		return v
	case interrupted:
		return record.Verdict{Code: signal.ExitCode(), Cause: signal.Error(), Phase: "interrupted", Retryable: true}
	case w.stopReason != nil && !errors.Is(w.stopReason, errFormation):
		return record.Verdict{Code: exit.Interrupted, Cause: w.stopReason.Error(), Phase: "interrupted", Retryable: true}
	}
	return w.judgeSilent(program)
}

// judgeSilent judges a run that ended without a verdict, by how far it came.
// Spark's PythonRunner redirects the driver's standard error to its standard
// output. So an exception of the driver is in program. Spark's own exception is
// in its log, before many lines about the shutdown.
func (w *watch) judgeSilent(program *digest) record.Verdict {
	path := w.c.sparkLog()
	log, err := digestFile(path) // has both outputs
	if err != nil {
		log.tail = []string{"(Spark's log cannot be read: " + err.Error() + ")"}
	}
	how := describeEnd(w.group.state)
	v := record.Verdict{Stderr: log.tail, LogPath: path, ExitCode: w.group.state.ExitCode(), Signal: endSignal(w.group.state)}
	switch {
	case errors.Is(w.stopReason, errFormation):
		v.Code, v.Phase, v.Retryable = exit.NotFormed, "submit", true
		v.Cause = fmt.Sprintf("%v within %v (timeouts.reservation)", errFormation, w.c.Formation)
	case w.phases.Context.IsZero() && !w.c.NoSpark:
		v.Code, v.Phase = exit.NoSpark, "submit"
		why := program.last
		if why == "" || strings.HasPrefix(why, "py4j.") { // Spark's log has Java's exception in full
			why = log.first
		}
		v.Cause = withReason("spark-submit ended before the application started ("+how+")", why)
	default:
		v.Code, v.Phase, v.Retryable = exit.Failed, "driver", true
		v.Cause = withReason("the driver died ("+how+")", program.last)
		if program.last != "" {
			v.Stderr = program.tail
		}
	}
	return v
}

func withReason(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + strings.TrimSpace(why)
}

func describeEnd(s *os.ProcessState) string {
	if n := endSignal(s); n != 0 {
		return signalName(syscall.Signal(n))
	}
	return fmt.Sprintf("exit %d", s.ExitCode())
}

// endSignal returns the signal that ended the child, or 0.
func endSignal(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(status.Signal())
	}
	return 0
}
