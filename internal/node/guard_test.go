package node

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
)

// patience is how long these tests wait for things that take milliseconds, since the
// machine may be busy.
const patience = 60 * time.Second

// runProcesses returns the processes with TFOS_RUN=run in their environment.
func runProcesses(run string) []int {
	var found []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return string(v) == "TFOS_RUN="+run }) {
			found = append(found, pid)
		}
	}
	return found
}

// eventually polls a condition: there is no event for the end of processes that are not
// children of this one.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// nothingLeft asserts that no process of the run and nothing in tmp is left.
func nothingLeft(t *testing.T, run, tmp string) {
	t.Helper()
	eventually(t, "no process of run "+run+" left", func() bool { return len(runProcesses(run)) == 0 })
	eventually(t, "no work folder left in "+tmp, func() bool {
		left, _ := filepath.Glob(filepath.Join(tmp, "tfos-*"))
		return len(left) == 0
	})
}

// shortTemp makes a folder with a path short enough for sockets. It becomes TMPDIR of
// the test.
func shortTemp(t *testing.T) string {
	t.Helper()
	tmp, err := os.MkdirTemp("/tmp", "n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	t.Setenv("TMPDIR", tmp)
	return tmp
}

func runID(t *testing.T) string {
	return strings.ReplaceAll(fmt.Sprintf("%s-%d-%d", t.Name(), os.Getpid(), time.Now().UnixNano()), "/", "-")
}

// guardUnderTest starts a guard of this test process, and a child in mode under it. If
// the mode announces itself, it returns after that.
func guardUnderTest(t *testing.T, run, mode string) *guardian {
	t.Helper()
	g, err := startGuard(run, testLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.orders.Close()
		_ = g.stdout.Close()
		_ = g.stderr.Close()
	})
	go func() { _, _ = io.Copy(io.Discard, g.stderr) }() // ends with the guard
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := command{Argv: []string{self, "-m"}, Env: environment("TFOS_RUN="+run, "TFOS_TEST_CHILD="+mode), Dir: t.TempDir()}
	if err := g.start(c); err != nil {
		t.Fatal(err)
	}
	return g
}

// leaky are the descriptors that this process has inherited, and that every process that
// it starts therefore inherits too.
func leaky() []string {
	var open []string
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			open = append(open, strconv.Itoa(fd))
		}
	}
	return open
}

func awaitLine(t *testing.T, g *guardian, want string) {
	t.Helper()
	lines := bufio.NewScanner(g.stdout)
	for lines.Scan() {
		if lines.Text() == want {
			return
		}
	}
	t.Fatalf("the child ended before it said %q", want)
}

func awaitEnd(t *testing.T, g *guardian) childEnd {
	t.Helper()
	select {
	case end := <-g.ended:
		return end
	case <-time.After(patience):
		t.Fatal("the child's end was not reported")
		return childEnd{}
	}
}

func awaitGuard(t *testing.T, g *guardian) {
	t.Helper()
	select {
	case <-g.exit:
	case <-time.After(patience):
		t.Fatal("the guard does not end")
	}
}

func TestGuardReportsTheChildsEnd(t *testing.T) {
	for mode, want := range map[string]childEnd{
		"ok":          {},
		"exit3":       {Exit: 3},
		"descriptors": {},
		"leaver":      {},
	} {
		t.Run(mode, func(t *testing.T) {
			tmp, run := shortTemp(t), runID(t)
			t.Setenv("TFOS_TEST_OPEN", strings.Join(leaky(), ","))
			g := guardUnderTest(t, run, mode)
			if got := awaitEnd(t, g); got != want {
				t.Errorf("end %+v, want %+v", got, want)
			}
			// The guard and the work folder stay until the member lets go; the
			// child's family does not.
			eventually(t, "only the guard left", func() bool { return slices.Equal(runProcesses(run), []int{g.cmd.Process.Pid}) })
			if _, err := os.Stat(g.work); err != nil {
				t.Error("the work folder is gone too early:", err)
			}
			_ = g.orders.Close()
			awaitGuard(t, g)
			nothingLeft(t, run, tmp)
		})
	}
}

func TestGuardReportsASignal(t *testing.T) {
	tmp, run := shortTemp(t), runID(t)
	g := guardUnderTest(t, run, "sleep")
	awaitLine(t, g, "sleeping")
	children := proc.Descendants(g.cmd.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("the guard has %d descendants, want the child", len(children))
	}
	if err := unix.Kill(children[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got, want := awaitEnd(t, g), (childEnd{Exit: -1, Signal: 9}); got != want {
		t.Errorf("end %+v, want %+v", got, want)
	}
	_ = g.orders.Close()
	awaitGuard(t, g)
	nothingLeft(t, run, tmp)
}

func TestGuardSaysWhyAChildCannotStart(t *testing.T) {
	tmp, run := shortTemp(t), runID(t)
	g, err := startGuard(run, testLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.start(command{Argv: []string{"no-such-interpreter"}, Dir: "/"}); err != nil {
		t.Fatal(err)
	}
	if end := awaitEnd(t, g); end.Exit != -1 || !strings.Contains(end.Error, "no-such-interpreter") {
		t.Errorf("end %+v", end)
	}
	_ = g.orders.Close()
	awaitGuard(t, g)
	nothingLeft(t, run, tmp)
}

func TestGuardPassesSIGTERMOn(t *testing.T) {
	tmp, run := shortTemp(t), runID(t)
	g := guardUnderTest(t, run, "polite")
	awaitLine(t, g, "sleeping")
	if err := g.signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, want := awaitEnd(t, g), (childEnd{Exit: 7}); got != want {
		t.Errorf("end %+v, want %+v", got, want)
	}
	_ = g.orders.Close()
	awaitGuard(t, g)
	nothingLeft(t, run, tmp)
}

// The end of the guard's input kills children, orphans in other sessions, and children
// that ignore SIGTERM. Without a child, the guard only removes the folder.
func TestGuardClearsUpAtTheEndOfItsInput(t *testing.T) {
	for _, mode := range []string{"sleep", "stubborn", "family"} {
		t.Run(mode, func(t *testing.T) {
			tmp, run := shortTemp(t), runID(t)
			g := guardUnderTest(t, run, mode)
			awaitLine(t, g, "sleeping")
			if want := map[string]int{"family": 3}[mode]; want > 0 && len(proc.Descendants(g.cmd.Process.Pid)) != want {
				t.Fatalf("%d descendants, want %d", len(proc.Descendants(g.cmd.Process.Pid)), want)
			}
			_ = g.orders.Close()
			awaitGuard(t, g)
			if left := runProcesses(run); len(left) > 0 {
				t.Errorf("processes %v outlive the guard", left)
			}
			nothingLeft(t, run, tmp)
		})
	}
	t.Run("nothing started", func(t *testing.T) {
		tmp, run := shortTemp(t), runID(t)
		g, err := startGuard(run, testLog())
		if err != nil {
			t.Fatal(err)
		}
		_ = g.orders.Close()
		awaitGuard(t, g)
		nothingLeft(t, run, tmp)
	})
}

// Here no supervisor does the guard's work.
func TestAKilledGuardTakesTheChildAlong(t *testing.T) {
	shortTemp(t)
	run := runID(t)
	g := guardUnderTest(t, run, "sleep")
	awaitLine(t, g, "sleeping")
	if err := g.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitGuard(t, g)
	if end := awaitEnd(t, g); !end.GuardLost {
		t.Errorf("end %+v", end)
	}
	eventually(t, "the child gone", func() bool { return len(runProcesses(run)) == 0 })
}

func TestGuardsWorkFolderIsPrivateAndShort(t *testing.T) {
	tmp := shortTemp(t)
	long := filepath.Join(tmp, strings.Repeat("long/", 20))
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{tmp, long} {
		t.Setenv("TMPDIR", dir)
		work, err := makeWorkFolder()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(work) })
		info, err := os.Stat(work)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v", info.Mode())
		}
		l, err := listenUnix(work, childSocket)
		if err != nil {
			t.Errorf("in %s: %v", work, err)
			continue
		}
		_ = l.Close()
	}
}
