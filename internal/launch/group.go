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

// group is a child process in a process group of its own.
type group struct {
	id    int           // pid of the child, and id of the group
	ended chan struct{} // closed when the child has ended and state is set
	state *os.ProcessState
	gone  bool // no process of the group is left; another group may have its id by now
}

// startGroup starts cmd as the leader of a new process group. If the launcher
// dies, even by SIGKILL, the kernel sends the child SIGTERM.
//
// The kernel ties that signal to the *thread* that started the child. So one
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
		_ = cmd.Wait() // the exit status is in the state; a child that ends may leave its input unread
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
		_ = syscall.Kill(-g.id, sig) // ESRCH: no process is left, which is the aim
	}
}

// terminate asks for an orderly end: it sends SIGTERM to pid if pid belongs to
// the group, else to the whole group.
func (g *group) terminate(pid int) {
	if pid > 1 {
		if id, err := syscall.Getpgid(pid); err == nil && id == g.id && syscall.Kill(pid, syscall.SIGTERM) == nil {
			return
		}
	}
	g.signal(syscall.SIGTERM)
}

// settle waits for the child's end, and then for at most patience until the
// group is empty. Then it kills the rest. There is no event for an empty group,
// so it checks every 20 ms.
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

// reap collects the exit status of the group's orphans that became children of
// the launcher.
func (g *group) reap() {
	for {
		pid, err := syscall.Wait4(-g.id, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
