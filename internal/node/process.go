package node

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
)

// killDescendants sends SIGKILL to every process below this one. What forks
// meanwhile escapes one call: call again whenever a child was reaped.
func killDescendants() {
	for _, pid := range proc.Descendants(os.Getpid()) {
		_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
	}
}

// exited is one reaped process.
type exited struct {
	pid    int
	status syscall.WaitStatus
}

// reapAll waits for children until there are none: then no descendant is left
// either, because proc.AdoptOrphans makes orphans children. It sends each on out
// and closes out at the end. Nothing else in the process may wait for
// children meanwhile.
func reapAll(out chan<- exited) {
	defer close(out)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return
		default:
			out <- exited{pid: pid, status: status}
		}
	}
}
