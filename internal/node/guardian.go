package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
)

// guardPatience is how long the supervisor waits for its guard to clear up
// before it does so itself: longer than guardGrace.
const guardPatience = guardGrace + 2*time.Second

// childEnd is how a child ended.
type childEnd struct {
	Exit   int    // -1: it did not run, or a signal ended it
	Signal int    // 0: none
	Error  string // why it could not be started
	// GuardLost says that the guard ended first: how the child ended is not known.
	GuardLost bool
}

// guardian is a running guard as its member sees it. Its methods are for one
// goroutine; ended and the output files are for others too.
type guardian struct {
	// work is the member's folder, made by the guard and removed with it.
	work string
	// ended delivers once: how the child ended, or that the guard did.
	ended <-chan childEnd
	// stdout and stderr are the read ends of the child's output. They are the
	// caller's to close; they end when nobody of the child's group is left.
	stdout, stderr *os.File

	cmd    *exec.Cmd
	orders *os.File
	exit   chan struct{} // closed when the guard was reaped
	log    *slog.Logger
}

// startGuard starts this binary as `guard`, leader of a new process group, and
// waits for its work folder. run becomes TFOS_RUN of the guard.
func startGuard(run string, logger *slog.Logger) (*guardian, error) {
	var pipes []*os.File
	fail := func(doing string, err error) (*guardian, error) {
		for _, f := range pipes {
			_ = f.Close()
		}
		return nil, fmt.Errorf("node: %s: %w", doing, err)
	}
	for range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			return fail("make the guard's pipes", err)
		}
		pipes = append(pipes, r, w)
	}
	ordersR, orders, events, eventsW := pipes[0], pipes[1], pipes[2], pipes[3]
	stdout, stdoutW, stderr, stderrW := pipes[4], pipes[5], pipes[6], pipes[7]

	// Not os.Executable: its path may be gone (Spark removes the job's files
	// when an executor ends), the process's own image is not.
	cmd := exec.Command("/proc/self/exe", "guard")
	cmd.Args[0] = "tfos-node"
	cmd.Env = environment("TFOS_RUN=" + run)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ordersR, stdoutW, stderrW
	cmd.ExtraFiles = []*os.File{eventsW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fail("start the guard", err)
	}
	for _, f := range []*os.File{ordersR, eventsW, stdoutW, stderrW} {
		_ = f.Close()
	}
	g := &guardian{cmd: cmd, orders: orders, stdout: stdout, stderr: stderr, exit: make(chan struct{}), log: logger}
	go func() {
		defer close(g.exit)
		_ = cmd.Wait()
	}()
	work := make(chan string, 1)
	ended := make(chan childEnd, 1)
	g.ended = ended
	go listen(events, work, ended)
	path, ok := <-work
	if !ok {
		_ = orders.Close()
		<-g.exit
		return fail("start the guard", errors.New("it ended before it named a work folder"))
	}
	g.work = path
	return g, nil
}

// listen sends the guard's two events into work and ended, one value each. It ends
// with the guard.
func listen(events *os.File, work chan<- string, ended chan<- childEnd) {
	defer func() { _ = events.Close() }()
	decoder := json.NewDecoder(bufio.NewReader(events))
	var first guardEvent
	if err := decoder.Decode(&first); err != nil || first.Work == "" {
		close(work)
		return
	}
	work <- first.Work
	var e guardEvent
	if err := decoder.Decode(&e); err != nil {
		ended <- childEnd{Exit: -1, GuardLost: true}
		return
	}
	ended <- childEnd{Exit: e.Exit, Signal: e.Signal, Error: e.Error}
}

// start tells the guard to start the child.
func (g *guardian) start(c command) error {
	return g.order(guardOrder{Start: &c})
}

// signal sends a signal to the child's process group.
func (g *guardian) signal(s syscall.Signal) error {
	return g.order(guardOrder{Signal: int(s)})
}

func (g *guardian) order(o guardOrder) error {
	if err := json.NewEncoder(g.orders).Encode(o); err != nil {
		return fmt.Errorf("node: order the guard: %w", err)
	}
	return nil
}

// killAll kills the child and its descendants, removes the work folder and reaps
// the guard. It returns shortly after guardPatience at the latest. If the guard did
// not do its work, killAll does it.
func (g *guardian) killAll() {
	_ = g.orders.Close() // the guard's sign to clear up
	select {
	case <-g.exit:
	case <-time.After(guardPatience):
		g.log.Warn("node: the guard does not end, killing it", "pid", g.cmd.Process.Pid)
		_ = unix.Kill(-g.cmd.Process.Pid, unix.SIGKILL)
	}
	g.cleanUp()
}

// cleanUp does the work of a guard that was killed: kills its orphans, which became
// this process's children (proc.AdoptOrphans), and removes the work folder.
func (g *guardian) cleanUp() {
	deadline := time.After(guardGrace)
	select {
	case <-g.exit:
	case <-deadline:
		g.log.Error("node: the guard cannot be killed", "pid", g.cmd.Process.Pid)
	}
	killDescendants()
	exits := make(chan exited)
	go reapAll(exits)
	for {
		select {
		case _, ok := <-exits:
			if ok {
				killDescendants()
				continue
			}
		case <-deadline:
			g.log.Error("node: processes outlive SIGKILL", "pids", proc.Descendants(os.Getpid()))
		}
		break
	}
	if err := os.RemoveAll(g.work); err != nil {
		g.log.Warn("node: remove the work folder", "error", err)
	}
}
