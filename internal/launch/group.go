package launch

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"tfos/internal/proc"
)

// group is a child process with a process group of its own.
type group struct {
	id    int           // of the child and of the group
	ended chan struct{} // closed when the child has ended and state is set
	state *os.ProcessState
	gone  bool // no process of the group is left; its id may be another's by now
}

// startGroup starts cmd as the leader of a new process group. The kernel sends
// the child SIGTERM when the launcher dies, be it by SIGKILL.
//
// The kernel ties that signal to the *thread* that made the child, so one
// goroutine starts the child, keeps its thread, and stays until the child has
// ended.
func startGroup(cmd *exec.Cmd) (*group, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	// Orphans of the group become our children: we can wait for them, and they
	// do not stay as zombies where no init reaps them (containers).
	if err := proc.AdoptOrphans(); err != nil {
		return nil, err
	}
	g := &group{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the exit status is in the state; no pipe is the command's own
		g.state = cmd.ProcessState
		close(g.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	g.id = cmd.Process.Pid
	return g, nil
}

// signal sends sig to every process of the group.
func (g *group) signal(sig syscall.Signal) {
	if !g.gone {
		_ = syscall.Kill(-g.id, sig) // ESRCH: nobody is left, which is what was wanted
	}
}

// terminate asks for an orderly end: of pid, when it is a process of this
// group, else of the whole group.
func (g *group) terminate(pid int) {
	if pid > 1 {
		if id, err := syscall.Getpgid(pid); err == nil && id == g.id && syscall.Kill(pid, syscall.SIGTERM) == nil {
			return
		}
	}
	g.signal(syscall.SIGTERM)
}

// settle waits, after the child has ended, until the group is empty, for at
// most patience; then it kills what is left. There is no event for an empty
// group, so it looks every 20 ms.
func (g *group) settle(patience time.Duration) {
	<-g.ended
	if g.empty(patience) {
		return
	}
	g.signal(syscall.SIGKILL)
	g.empty(patience)
}

func (g *group) empty(patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for {
		g.reap()
		if err := syscall.Kill(-g.id, 0); errors.Is(err, syscall.ESRCH) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// reap takes the exit status of the group's orphans that came to us.
func (g *group) reap() {
	for {
		pid, err := syscall.Wait4(-g.id, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
