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

// guardGrace is how long a guard whose member is gone waits for killed
// processes before it removes the work folder under them. A process in an
// uninterruptible system call (a dead NFS server) survives SIGKILL for long.
const guardGrace = 5 * time.Second

// guardOrder is one line of the guard's standard input: the child's command,
// once, or a signal for the child's process group.
type guardOrder struct {
	Start  *command `json:"start,omitempty"`
	Signal int      `json:"signal,omitempty"`
}

// guardEvent is one line of the guard's descriptor 3. The first names the work
// folder; the second, at the child's end, has Work empty.
type guardEvent struct {
	Work   string `json:"work,omitempty"`
	Exit   int    `json:"exit"`            // -1: it did not run, or a signal ended it
	Signal int    `json:"signal"`          // 0: none
	Error  string `json:"error,omitempty"` // why it could not be started
}

// command is a process to start.
type command struct {
	Argv []string `json:"argv"` // Argv[0] is looked up on PATH when it has no slash
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// GuardIO is what a guard is given by its member.
type GuardIO struct {
	// Orders are guardOrder lines; their end is the member's death.
	Orders io.Reader
	// Events takes guardEvent lines. The child does not inherit it.
	Events *os.File
	// Stdout and Stderr are the child's. Guard closes them after it.
	Stdout, Stderr *os.File
}

// Guard is the whole of `tfos-node guard`: it makes the member's work folder,
// starts the member's child when told to, and, when Orders end, kills all that
// descends from it, removes the folder and returns. It outlives its child. The
// process must be its own group's leader and do nothing else: Guard becomes a
// subreaper, reaps every child and takes over SIGTERM, SIGINT, SIGHUP and
// SIGPIPE. ctx is for tests only; a cancelled one is the same as the end of
// Orders.
func Guard(ctx context.Context, stdio GuardIO, logger *slog.Logger) error {
	// The child's death signal is tied to the thread that forked it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Caught, not ignored: a child inherits SIG_IGN but not a handler. SIGTERM
	// to the group is for the child, and a broken pipe is how a dead member
	// looks when the guard logs.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	defer signal.Stop(caught)
	if err := proc.AdoptOrphans(); err != nil {
		return err
	}
	unix.CloseOnExec(int(stdio.Events.Fd()))
	work, err := makeWork()
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
	child  int           // 0: not started
	exits  <-chan exited // nil: no child was started, or all are reaped
}

// loop returns when the orders have ended and nothing descends from the guard.
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
				send(syscall.Signal(order.Signal))
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
				g.report(e.status)
				killing = true // what the child left running
			}
			if killing {
				killDescendants() // includes what a dead one had just forked
			}
		case <-late:
			_ = os.RemoveAll(g.work)
		}
	}
}

// send sends a signal to the child's group, which is the guard's own: it catches
// what can be caught, and SIGKILL goes to its descendants one by one.
func send(s syscall.Signal) {
	if s == unix.SIGKILL {
		killDescendants()
		return
	}
	_ = unix.Kill(0, s)
}

// start runs the child in the guard's group with an empty standard input.
func (g *guard) start(c command) {
	pid, err := g.fork(c)
	if err != nil {
		g.emit(guardEvent{Exit: -1, Error: err.Error()})
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

// fork uses syscall.ForkExec and not os/exec, whose Wait would race with
// reapAll for the child's status.
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
		// For the case that supervisor and guard are killed at once (by name,
		// say). It reaches the child alone, not what the child started.
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return pid, nil
}

func (g *guard) report(status syscall.WaitStatus) {
	if status.Signaled() {
		g.emit(guardEvent{Exit: -1, Signal: int(status.Signal())})
		return
	}
	g.emit(guardEvent{Exit: status.ExitStatus()})
}

// emit tells the member. A member that is gone is noticed by the end of the
// orders, so an error here is only worth a line.
func (g *guard) emit(e guardEvent) {
	if err := g.events.Encode(e); err != nil {
		g.log.Warn("node: guard: report to the member", "error", err)
	}
}

// readOrders sends each order, and closes the channel at the end of r. Its
// goroutine ends with r, which ends with the process.
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
