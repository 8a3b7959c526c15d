package node

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

// live runs the member to its end. After it no process and no folder is left.
//
// A member whose child has ended stays registered, in phase "ended" or "failing". It
// waits until the server sends Stop, the lease is lost or the executor ends. Until then
// it answers feed tasks with STOP, and the roster loses no member before the verdict. The
// normal end of a member is therefore the server's Stop, which follows the verdict.
func (m *member) live(ctx context.Context) ending {
	terminated := context.AfterFunc(ctx, func() {
		m.endings.addEnding(ending{kind: reserve.Lost, cause: "tfos-node was terminated by a signal"})
	})
	defer terminated()
	defer m.shutDown()
	feeding, stopFeeding := context.WithCancel(ctx)
	defer stopFeeding()
	var end childEnd
	started := false
	m.claimGPUs(feeding)
	complete := m.program.complete
	var slow, overdue <-chan time.Time
	var prepared <-chan *notStarted
	var refused *notStarted // why there is no child; nil: there is one
	var cluster reserve.Cluster
wait:
	for {
		select {
		case <-complete:
			complete, slow, overdue = nil, time.After(exitNotice), time.After(m.Config.Exit()+exitMargin)
		case <-slow:
			m.warnOfSlowEnd()
		case <-overdue:
			m.endOverdue()
		case cluster = <-m.cluster:
			prepared = m.prepareChild(feeding, cluster)
		case refused = <-m.gpus.failed:
			end = childEnd{Exit: -1, Error: refused.cause()}
			break wait
		case refused = <-prepared:
			if refused != nil {
				end = childEnd{Exit: -1, Error: refused.cause()}
				break wait
			}
			if err := m.startChild(feeding, cluster); err != nil {
				end = childEnd{Exit: -1, Error: err.Error()}
				break wait
			}
			started = true
		case end = <-m.guard.ended:
			break wait
		case why := <-m.endings.first:
			stopFeeding()
			m.endChild(started, why)
			return why
		}
	}
	done := m.childEnded(ctx, end, refused)
	why := <-m.endings.first
	m.log.Info("node: ends", "why", why.cause)
	done.status = why.status
	return done
}

// exitMargin is the time after timeouts.exit at which the member kills the process. At
// timeouts.exit itself tfos.ending runs the exit hooks and ends the process, even if
// threads still run.
const exitMargin = 5 * time.Second

// endOverdue kills a process that hangs after its program has returned or failed.
func (m *member) endOverdue() {
	m.program.killedLate = true
	m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: fmt.Sprintf(
		"its program had ended, but its process did not end within %s (timeouts.exit) and was killed", m.Config.Exit())})
	m.warn("kill a process that does not end", m.guard.signal(unix.SIGKILL))
}

// prepareChild prepares what the child needs, in the background. It sends nil when the child
// can be started, or why its folders cannot be made. GPUs that cannot be had are sent to
// gpuSetup.failed. If ctx ends first, nothing is sent.
func (m *member) prepareChild(ctx context.Context, c reserve.Cluster) <-chan *notStarted {
	done := make(chan *notStarted, 1)
	m.tasks.Go(func() {
		if err := m.prepareFolders(ctx, c); err != nil {
			done <- &notStarted{phase: phaseOutput, code: exit.Output, err: err}
			return
		}
		select {
		case <-m.gpus.ready:
			done <- nil
		case <-ctx.Done():
		}
	})
	return done
}

// startChild starts the child, and the reading of the files that the member reads
// itself. ctx ends that.
func (m *member) startChild(ctx context.Context, c reserve.Cluster) error {
	command, err := m.childCommand(c)
	if err == nil {
		err = m.startFeeding(ctx, c)
	}
	if err != nil {
		return err
	}
	m.log.Info("node: start the child", "generation", c.Generation, "argv", command.Argv, "dir", command.Dir)
	if claim := m.gpus.claim; claim != nil {
		ctx, m.gpus.unwatch = context.WithCancel(ctx)
		m.tasks.Go(func() { m.used.watchGPUs(ctx, claim.Devices, gpuEvery) })
	}
	m.port.handOver()
	return m.guard.start(command)
}

// childEnded reports a child that ended by itself, with everything that the child
// sent and printed before. refused is why no child was started; nil: one was.
func (m *member) childEnded(ctx context.Context, end childEnd, refused *notStarted) ending {
	m.gpus.unwatch() // before TensorFlow's memory is missing
	if end.GuardLost {
		m.guard.cleanUp() // the child's group outlives the guard
	}
	m.awaitOutput()
	o := judgeChild(m.Config.Child.Kind, end, m.program.summary(), m.output.stderr.lastLines(), m.host)
	if o.Kind == reserve.Succeeded && (end.Exit != 0 || end.Signal != 0) && !m.program.killedLate {
		m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: "its program was done, then its process ended badly: " + end.describe()})
	}
	if refused != nil {
		o.Phase, o.VerdictCode, o.Cause = refused.phase, refused.code, oneLine(refused.cause())
		o.Stderr = append(o.Stderr, refused.stderr...)
	}
	m.log.Info("node: the child ended", "kind", o.Kind, "phase", o.Phase, "cause", o.Cause)
	m.output.writeTitle("%s %s", o.Kind, o.Cause)
	m.program.setOver(cmp.Or(o.Cause, "its program has ended"))
	if o.Kind == reserve.Succeeded {
		m.rows.Stop("the program has ended")
	} else {
		m.rows.Fail(o.Cause)
	}
	m.setPhaseAfterChild(o.Kind)
	o.Working = m.uploadFiles()
	if refused == nil {
		m.finishStored(&o, 0)
	}
	m.finishModel(&o, refused == nil, end.Error == "" && end.Signal == 0, 0)
	m.report(context.WithoutCancel(ctx), o)
	return ending{kind: o.Kind, cause: o.Cause}
}

// setPhaseAfterChild sets the member's phase to "ended" or "failing", and renews at
// once. The report comes later, after the upload of files.
func (m *member) setPhaseAfterChild(kind reserve.Kind) {
	m.mu.Lock()
	m.phaseAfterChild = reserve.PhaseEnded
	if kind == reserve.Failed {
		m.phaseAfterChild = reserve.PhaseFailing
	}
	m.mu.Unlock()
	m.client.Renew()
}

// awaitOutput waits, at most drainTime, until everything that an ended child left
// in its sockets and pipes is read.
func (m *member) awaitOutput() {
	late := time.After(drainTime)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		m.copies.Wait()
	}()
	for _, quiet := range []<-chan struct{}{m.listeners.programConns.idle(), copied} {
		select {
		case <-quiet:
		case <-late:
			m.log.Warn("node: the child's last words may be incomplete")
			return
		}
	}
}

// endChild ends the child because the member has to end. It reports the outcome
// unless why is silent.
func (m *member) endChild(started bool, why ending) {
	m.log.Info("node: ends", "why", why.cause, "at_once", why.hard)
	end := childEnd{Exit: -1}
	if started && !why.hard {
		end = m.terminateChild()
		m.abandonPass()
	}
	program := m.program.summary()
	m.guard.killAll()
	m.program.setOver(why.cause)
	m.rows.Fail(why.cause)
	if why.silent {
		return
	}
	o := reserve.Outcome{
		Kind: why.kind, Phase: program.phase, Result: program.result, Cause: oneLine(why.cause), ExitCode: end.Exit, Signal: end.Signal,
		Stderr: m.output.stderr.lastLines(),
	}
	clean := started && end.Exit >= 0 && end.Signal == 0
	within := m.grace // there may be no time for uploads
	if why.kind == reserve.Stopped {
		o.Working = m.uploadFiles()
		within = 0
	}
	if started {
		m.finishStored(&o, within)
	}
	m.finishModel(&o, started, clean, within)
	ctx, cancel := context.WithTimeout(context.Background(), reportTimeout)
	defer cancel()
	m.report(ctx, o)
}

// terminateChild sends SIGTERM to the child's group. It waits for the child's end
// until the grace is over or a hard ending comes.
func (m *member) terminateChild() childEnd {
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

// report delivers an outcome. The client retries as long as the lease lasts.
func (m *member) report(ctx context.Context, o reserve.Outcome) {
	o.Place, o.Host, o.LogPath, o.Feeds = m.place, m.host, m.output.path, m.counts()
	if o.Mirrored == nil {
		o.Mirrored = m.mirrored()
	}
	o.Paces, o.Notes, o.Stdout = m.paces(), m.program.summary().notes, m.output.stdout.lastLines()
	if err := m.client.Report(ctx, o); err != nil {
		m.log.Error("node: report", "kind", o.Kind, "cause", o.Cause, "error", err)
	}
}

// shutDown kills the remaining processes, closes everything and waits for the
// goroutines.
func (m *member) shutDown() {
	m.guard.killAll()
	m.closeModel()
	m.closeStored()
	m.release()
	if m.listeners != nil {
		m.listeners.close()
	}
	m.port.release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if m.listeners != nil {
			m.listeners.wait()
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
	if m.gpus != nil {
		m.gpus.claim.Release()
	}
	_ = m.guard.stdout.Close()
	_ = m.guard.stderr.Close()
	m.warn("close the log", m.output.close())
}
