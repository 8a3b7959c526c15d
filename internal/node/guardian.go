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

// guardPatience is how long the supervisor waits for its guard to clean up, before it
// kills the guard and cleans up itself. It is longer than guardGrace.
const guardPatience = guardGrace + 2*time.Second

// childEnd is how a child ended.
type childEnd struct {
	Exit   int    // -1: the child did not run, or a signal ended it
	Signal int    // that ended the child; 0: none
	Error  string // why the child could not be started
	// GuardLost says that the guard ended first. How the child ended is unknown.
	GuardLost bool
	// OutOfMemory says that the kernel has killed the child for memory. nil: it did not.
	OutOfMemory *outOfMemory
}

// guardian is the member's handle of a running guard. Its methods are for one goroutine.
// Other goroutines may use ended and the output files.
type guardian struct {
	// work is the member's work folder. The guard makes and removes it.
	work string
	// ended delivers one value: how the child ended, or that the guard ended.
	ended <-chan childEnd
	// stdout and stderr are the read ends of the child's output. They end when no
	// process of the child's is left. The caller closes them.
	stdout, stderr *os.File

	cmd    *exec.Cmd
	orders *os.File
	exit   chan struct{} // closed when the guard was reaped
	log    *slog.Logger
}

// startGuard starts this binary as `guard`, the leader of a new process group. It waits
// for the guard's work folder. run becomes TFOS_RUN of the guard.
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

	// /proc/self/exe and not os.Executable, whose path may no longer exist: Spark
	// removes the job's files when an executor ends.
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
	go readGuardEvents(events, work, ended)
	path, ok := <-work
	if !ok {
		_ = orders.Close()
		<-g.exit
		return fail("start the guard", errors.New("it ended before it named a work folder"))
	}
	g.work = path
	return g, nil
}

// readGuardEvents sends the guard's two events to work and ended, one value each. It
// closes work if the guard ends before its first event.
func readGuardEvents(events *os.File, work chan<- string, ended chan<- childEnd) {
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
	ended <- childEnd{Exit: e.Exit, Signal: e.Signal, Error: e.Error, OutOfMemory: e.OutOfMemory}
}

// start tells the guard to start the child.
func (g *guardian) start(c command) error {
	return g.sendOrder(guardOrder{Start: &c})
}

// signal sends a signal to the child's process group.
func (g *guardian) signal(s syscall.Signal) error {
	return g.sendOrder(guardOrder{Signal: int(s)})
}

func (g *guardian) sendOrder(o guardOrder) error {
	if err := json.NewEncoder(g.orders).Encode(o); err != nil {
		return fmt.Errorf("node: order the guard: %w", err)
	}
	return nil
}

// killAll kills the child and its descendants, removes the work folder and reaps
// the guard. It returns shortly after guardPatience at the latest. If the guard did
// not do its work, killAll does it.
func (g *guardian) killAll() {
	_ = g.orders.Close() // the guard then cleans up
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
