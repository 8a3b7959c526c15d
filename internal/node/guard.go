package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
)

// guardGrace is how long a guard whose member is gone waits for killed processes, before
// it removes the work folder even so. A process in an uninterruptible system call (a
// dead NFS server) may survive SIGKILL for a long time.
const guardGrace = 5 * time.Second

// guardOrder is one line of the guard's standard input: the child's command, once, or a
// signal for the child's process group.
type guardOrder struct {
	Start  *command `json:"start,omitempty"`
	Signal int      `json:"signal,omitempty"`
}

// guardEvent is one line of the guard's descriptor 3. The first event has the work
// folder. The second is the child's end and has Work empty.
type guardEvent struct {
	Work   string `json:"work,omitempty"`
	Exit   int    `json:"exit"`            // -1: the child did not run, or a signal ended it
	Signal int    `json:"signal"`          // that ended the child; 0: none
	Error  string `json:"error,omitempty"` // why the child could not be started
	// OutOfMemory says that the kernel has killed the child for memory. nil: it did not.
	OutOfMemory *outOfMemory `json:"out_of_memory,omitempty"`
}

// outOfMemory is a kill by the kernel.
type outOfMemory struct {
	Limit int64 `json:"limit"` // of the control group, bytes; 0: none, the host had no more
}

// command is a process to start.
type command struct {
	Argv []string `json:"argv"` // Argv[0] without a slash is looked up on PATH
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// GuardIO has the files of a guard.
type GuardIO struct {
	// Orders has guardOrder lines. It ends when the member ends.
	Orders io.Reader
	// Events receives guardEvent lines. The child does not inherit it.
	Events *os.File
	// Stdout and Stderr are the child's. Guard closes them at the child's end.
	Stdout, Stderr *os.File
}

// Guard is the whole of `tfos-node guard`. It makes the member's work folder and starts
// the member's child on order. When Orders end, it kills all its descendants, removes
// the folder and returns. It outlives its child.
//
// The process must be the leader of its own process group and do nothing else. Guard
// becomes a subreaper, reaps every child, and catches SIGTERM, SIGINT, SIGHUP and
// SIGPIPE. ctx is for tests only: cancelling it has the same effect as the end of Orders.
func Guard(ctx context.Context, stdio GuardIO, logger *slog.Logger) error {
	// The child's death signal is tied to the thread that forked it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The signals are caught and not ignored, because a child inherits SIG_IGN but no
	// handlers. SIGTERM to the group is for the child. SIGPIPE comes when the guard
	// logs after the member's end.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	defer signal.Stop(caught)
	if err := proc.AdoptOrphans(); err != nil {
		return err
	}
	unix.CloseOnExec(int(stdio.Events.Fd()))
	work, err := makeWorkFolder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	g := &guard{stdio: stdio, events: json.NewEncoder(stdio.Events), log: logger, work: work}
	if err := g.events.Encode(guardEvent{Work: work}); err != nil {
		return fmt.Errorf("node: guard: name the work folder: %w", err)
	}
	g.loop(ctx)
	return nil
}

type guard struct {
	stdio  GuardIO
	events *json.Encoder
	log    *slog.Logger
	work   string
	child  int // 0: not started
	memory proc.MemoryGroup
	kills  int64         // of the group, when the child started
	exits  <-chan exited // nil: no child was started, or all are reaped
}

// loop handles orders and exits. It returns when the orders have ended and the guard has
// no descendants.
func (g *guard) loop(ctx context.Context) {
	orders := readOrders(g.stdio.Orders)
	var late <-chan time.Time
	killing := false
	orphaned := func() {
		orders, killing, late = nil, true, time.After(guardGrace)
		killDescendants()
	}
	for orders != nil || g.exits != nil {
		select {
		case order, ok := <-orders:
			switch {
			case !ok:
				orphaned()
			case order.Start != nil && g.child == 0:
				g.start(*order.Start)
			case order.Signal != 0:
				signalGroup(syscall.Signal(order.Signal))
			}
		case <-ctx.Done():
			ctx = context.Background()
			orphaned()
		case e, ok := <-g.exits:
			if !ok {
				g.exits = nil
				g.closeOutput()
				continue
			}
			if e.pid == g.child {
				g.reportExit(e.status)
				killing = true // processes that the child has left
			}
			if killing {
				killDescendants() // again: a killed process may have just forked
			}
		case <-late:
			_ = os.RemoveAll(g.work)
		}
	}
}

// signalGroup sends a signal to the child's group, which is the guard's own group. The
// guard catches the signal. SIGKILL cannot be caught and goes only to its descendants.
func signalGroup(s syscall.Signal) {
	if s == unix.SIGKILL {
		killDescendants()
		return
	}
	_ = unix.Kill(0, s)
}

// start starts the child in the guard's group, with an empty standard input.
func (g *guard) start(c command) {
	g.memory = proc.OwnMemoryGroup()
	g.kills = g.memory.OOMKills()
	pid, err := g.fork(c)
	if err != nil {
		g.sendEvent(guardEvent{Exit: -1, Error: err.Error()})
		g.closeOutput()
		return
	}
	g.child = pid
	exits := make(chan exited)
	g.exits = exits
	go reapAll(exits)
}

// closeOutput closes the guard's own descriptors of the output. The member reads the
// output's end when all of the child's processes have ended too.
func (g *guard) closeOutput() {
	_ = g.stdio.Stdout.Close()
	_ = g.stdio.Stderr.Close()
}

// fork starts the child and returns its pid. It uses syscall.ForkExec, because the Wait
// of os/exec would race with reapAll for the child's status.
func (g *guard) fork(c command) (int, error) {
	if len(c.Argv) == 0 {
		return 0, errors.New("empty command")
	}
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer func() { _ = null.Close() }()
	pid, err := syscall.ForkExec(path, c.Argv, &syscall.ProcAttr{
		Dir:   c.Dir,
		Env:   c.Env,
		Files: []uintptr{null.Fd(), g.stdio.Stdout.Fd(), g.stdio.Stderr.Fd()},
		// If supervisor and guard are killed at once (by name, for example), this
		// kills the child, but not the processes that the child started.
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return pid, nil
}

func (g *guard) reportExit(status syscall.WaitStatus) {
	if status.Signaled() {
		e := guardEvent{Exit: -1, Signal: int(status.Signal())}
		if status.Signal() == unix.SIGKILL && g.memory.OOMKills() > g.kills {
			e.OutOfMemory = &outOfMemory{Limit: g.memory.Limit()}
		}
		g.sendEvent(e)
		return
	}
	g.sendEvent(guardEvent{Exit: status.ExitStatus()})
}

// sendEvent sends an event to the member. An error is only logged: the end of the orders
// shows that the member is gone.
func (g *guard) sendEvent(e guardEvent) {
	if err := g.events.Encode(e); err != nil {
		g.log.Warn("node: guard: report to the member", "error", err)
	}
}

// readOrders returns a channel of the orders in r. It is closed at the end of r, and so
// does its goroutine end. r ends with the process.
func readOrders(r io.Reader) <-chan guardOrder {
	out := make(chan guardOrder)
	go func() {
		defer close(out)
		decoder := json.NewDecoder(bufio.NewReader(r))
		for {
			var order guardOrder
			if err := decoder.Decode(&order); err != nil {
				return
			}
			out <- order
		}
	}()
	return out
}
