package node

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/reserve"
)

// live drives the member to its end and leaves nothing behind.
//
// A member whose child has ended stays registered, in phase "ended", until the
// server says Stop, its lease is lost or its executor gone: feed tasks that
// still come are answered with STOP, and the roster loses nobody before the
// verdict. The server's Stop, after its verdict, is thus the one normal end.
func (m *member) live(ctx context.Context) ending {
	terminated := context.AfterFunc(ctx, func() {
		m.endings.add(ending{kind: reserve.Lost, cause: "tfos-node was terminated by a signal"})
	})
	defer terminated()
	defer m.leave()
	var end childEnd
	started := false
	complete := m.said.complete
	var slow, overdue <-chan time.Time
wait:
	for {
		select {
		case <-complete:
			complete, slow, overdue = nil, time.After(exitNotice), time.After(m.Config.Exit()+exitMargin)
		case <-slow:
			m.warnOfSlowEnd()
		case <-overdue:
			m.endOverdue()
		case c := <-m.cluster:
			if err := m.startChild(c); err != nil {
				end = childEnd{Exit: -1, Error: err.Error()}
				break wait
			}
			started = true
		case end = <-m.guard.ended:
			break wait
		case why := <-m.endings.first:
			m.endChild(started, why)
			return why
		}
	}
	done := m.childEnded(ctx, end)
	why := <-m.endings.first
	m.log.Info("node: ends", "why", why.cause)
	done.status = why.status
	return done
}

// exitMargin is what a program has beyond timeouts.exit, at whose end it runs
// its exit hooks and ends by itself, threads or not.
const exitMargin = 5 * time.Second

// endOverdue ends a process that hangs though its program has returned or failed.
func (m *member) endOverdue() {
	m.said.late = true
	m.said.note(reserve.Note{Kind: reserve.NoteWarning, Text: fmt.Sprintf(
		"its program had ended, but its process did not end within %s (timeouts.exit) and was killed", m.Config.Exit())})
	m.warn("kill a process that does not end", m.guard.signal(unix.SIGKILL))
}

func (m *member) startChild(c reserve.Cluster) error {
	command, err := m.prepare(c)
	if err != nil {
		return err
	}
	m.log.Info("node: start the child", "generation", c.Generation, "argv", command.Argv, "dir", command.Dir)
	m.port.handOver()
	return m.guard.start(command)
}

// childEnded reports a child that ended by itself, with everything that it
// said before.
func (m *member) childEnded(ctx context.Context, end childEnd) ending {
	if end.GuardLost {
		m.guard.clear() // the group lives on without it
	}
	m.drain()
	o := judgeChild(m.Config.Child.Kind, end, m.said.summary(), m.output.stderr.last(), m.host)
	if o.Kind == reserve.Succeeded && (end.Exit != 0 || end.Signal != 0) && !m.said.late {
		m.said.note(reserve.Note{Kind: reserve.NoteWarning, Text: "its program was done, then its process ended badly: " + end.how()})
	}
	m.log.Info("node: the child ended", "kind", o.Kind, "phase", o.Phase, "cause", o.Cause)
	m.output.title("%s %s", o.Kind, o.Cause)
	m.said.end(cmp.Or(o.Cause, "its program has ended"))
	if o.Kind == reserve.Succeeded {
		m.rows.Stop("the program has ended")
	} else {
		m.rows.Fail(o.Cause)
	}
	m.setAfter(o.Kind)
	o.Working = m.uploadFiles()
	m.report(context.WithoutCancel(ctx), o)
	return ending{kind: o.Kind, cause: o.Cause}
}

// setAfter tells the server at once that the child has ended, and whether it has
// failed: the report may have to wait for the upload of files.
func (m *member) setAfter(kind reserve.Kind) {
	m.mu.Lock()
	m.after = reserve.PhaseEnded
	if kind == reserve.Failed {
		m.after = reserve.PhaseFailing
	}
	m.mu.Unlock()
	m.client.Renew()
}

// drain waits for what a dead child left in its sockets and pipes.
func (m *member) drain() {
	late := time.After(drainTime)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		m.copies.Wait()
	}()
	for _, quiet := range []<-chan struct{}{m.doors.programs.idle(), copied} {
		select {
		case <-quiet:
		case <-late:
			m.log.Warn("node: the child's last words may be incomplete")
			return
		}
	}
}

// endChild ends the child because the member has to end, and reports that
// where there is somebody to hear it.
func (m *member) endChild(started bool, why ending) {
	m.log.Info("node: ends", "why", why.cause, "at_once", why.hard)
	end := childEnd{Exit: -1}
	if started && !why.hard {
		end = m.terminate()
	}
	phase := m.said.summary().phase
	m.guard.end()
	m.said.end(why.cause)
	m.rows.Fail(why.cause)
	if why.silent {
		return
	}
	var files reserve.WorkingFiles
	if why.kind == reserve.Stopped { // else there may be no time for it
		files = m.uploadFiles()
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	m.report(ctx, reserve.Outcome{
		Working: files,
		Kind:    why.kind, Phase: phase, Cause: oneLine(why.cause), ExitCode: end.Exit, Signal: end.Signal,
		Stderr: m.output.stderr.last(),
	})
}

// terminate sends SIGTERM to the child's group and waits for the child until
// the grace is over or a hard ending came.
func (m *member) terminate() childEnd {
	if err := m.guard.signal(unix.SIGTERM); err != nil {
		return childEnd{Exit: -1}
	}
	select {
	case end := <-m.guard.ended:
		return end
	case <-time.After(m.grace):
		m.log.Warn("node: the child ignores SIGTERM, killing it", "grace", m.grace)
	case <-m.endings.hard:
	}
	return childEnd{Exit: -1, Signal: int(unix.SIGKILL)}
}

// report delivers an outcome; the client tries again as long as the lease
// lasts.
func (m *member) report(ctx context.Context, o reserve.Outcome) {
	o.Place, o.Host, o.LogPath, o.Feeds = m.place, m.host, m.output.path, m.counts()
	o.Paces, o.Notes, o.Stdout = m.paces(), m.said.summary().notes, m.output.stdout.last()
	if err := m.client.Report(ctx, o); err != nil {
		m.log.Error("node: report", "kind", o.Kind, "cause", o.Cause, "error", err)
	}
}

// leave kills what is left, closes everything and waits for the goroutines.
func (m *member) leave() {
	m.guard.end()
	m.release()
	if m.doors != nil {
		m.doors.close()
	}
	m.port.release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if m.doors != nil {
			m.doors.wait()
		}
		m.tasks.Wait()
		m.copies.Wait()
	}()
	select {
	case <-done:
	case <-time.After(drainTime):
		// A write to the executor's standard error that never returns: the
		// process is about to end.
		m.log.Warn("node: a goroutine does not end")
		return
	}
	_ = m.guard.stdout.Close()
	_ = m.guard.stderr.Close()
	m.warn("close the log", m.output.close())
}
