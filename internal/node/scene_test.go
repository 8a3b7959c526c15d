package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/feed"
	"tfos/internal/proc"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// testLease is short for fast tests and long enough for a busy machine.
const testLease = 3 * time.Second

// scene is a run with a real reservation server. Supervisors, guards and children are
// real too, and processes of their own.
type scene struct {
	t      *testing.T
	config work.Config
	run    string
	tmp    string // TMPDIR of all members
	logs   string
	slow   time.Duration // before the executor reads standard error
	ready  reserve.Ready
	server *exec.Cmd
	driver io.WriteCloser // the server's commands
	gone   chan struct{}  // closed at the end of the server's events

	mu     sync.Mutex
	events []map[string]any
	more   chan struct{} // closed and renewed at each event
}

// newScene starts a server for n workers, whose executor is this test.
func newScene(t *testing.T, n int, change func(*work.Config)) *scene {
	t.Helper()
	s := &scene{t: t, run: runID(t), tmp: shortTemp(t), logs: t.TempDir(), gone: make(chan struct{}), more: make(chan struct{})}
	s.config.Config = reserve.Config{Run: s.run, Shared: true, ReservationMS: 60_000, LeaseMS: testLease.Milliseconds(), StallMS: 60_000}
	for i := range n {
		s.config.Members = append(s.config.Members, reserve.MemberConfig{Job: "worker", Index: i, Required: true})
	}
	if change != nil {
		change(&s.config)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.server = exec.Command(self, "reserve")
	s.server.Stderr = os.Stderr
	driver, err := s.server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.driver = driver
	out, err := s.server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.driver.Close()
		_ = s.server.Process.Kill()
		<-s.gone
		_ = s.server.Wait()
	})
	s.command(map[string]any{"config": s.config, "host": "127.0.0.1"})
	go s.read(out)
	first := s.await("ready", func(map[string]any) bool { return true })
	decode(t, first, &s.ready)
	return s
}

func decode(t *testing.T, from map[string]any, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *scene) read(out io.Reader) {
	defer close(s.gone)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event map[string]any
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		s.mu.Lock()
		s.events = append(s.events, event)
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
}

// command writes a line to the server, as the driver does.
func (s *scene) command(line any) {
	s.t.Helper()
	text, err := json.Marshal(line)
	if err == nil {
		_, err = s.driver.Write(append(text, '\n'))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// await returns the first event of that name for which the condition is true.
func (s *scene) await(name string, like func(map[string]any) bool) map[string]any {
	s.t.Helper()
	late := time.After(patience)
	for seen := 0; ; {
		s.mu.Lock()
		events, more := s.events[seen:], s.more
		seen = len(s.events)
		s.mu.Unlock()
		for _, e := range events {
			if e["event"] == name && like(e) {
				return e
			}
		}
		select {
		case <-more:
		case <-late:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("no event %q as wanted within %v; events: %v", name, patience, s.events)
		}
	}
}

func (s *scene) verdict() reserve.Verdict {
	s.t.Helper()
	var v reserve.Verdict
	decode(s.t, s.await("verdict", func(map[string]any) bool { return true }), &v)
	return v
}

// awaitPhase waits until worker i has reported that phase.
func (s *scene) awaitPhase(i int, phase string) {
	s.t.Helper()
	s.await("progress", func(e map[string]any) bool {
		var p reserve.Progress
		decode(s.t, e, &p)
		for _, m := range p.Members {
			if m.Member == fmt.Sprintf("worker:%d", i) && m.Phase == phase {
				return true
			}
		}
		return false
	})
}

// assignment returns the assignment of worker i, with a child in mode.
func (s *scene) assignment(i int, mode string) Assignment {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	return Assignment{
		Config: Config{
			Run: s.run, Kind: "train", Child: ChildConfig{Kind: childPython, Interpreter: self},
			Roles:  map[string]RoleConfig{"worker": {Cores: 1, Env: map[string]string{"TFOS_TEST_CHILD": mode}}},
			LogDir: s.logs,
		},
		Job: "worker", Index: i, Server: s.ready.Address, CA: s.ready.CA, Cert: s.ready.Cert, Key: s.ready.Key,
		Token: s.ready.Token, Files: s.t.TempDir(),
	}
}

// workingDirectory returns the working directory of the member's child.
func workingDirectory(a Assignment) string {
	return filepath.Join(a.Files, fmt.Sprintf("tfos-%s-%d", a.Job, a.Index))
}

func (s *scene) feeds(a *Assignment) {
	a.Feeds = []string{"train"}
	a.Config.Feeds = []feed.Config{{Name: "train", QueueBytes: 1 << 20, BatchRows: 2}}
}

// actor is a process under test: a supervisor, or an executor with a supervisor.
type actor struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// act starts this binary in a role with an assignment on its standard input.
func (s *scene) act(role string, a Assignment) *actor {
	s.t.Helper()
	line, err := json.Marshal(a)
	if err != nil {
		s.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &actor{t: s.t, cmd: exec.Command(self, role), stderr: &safeBuffer{}}
	p.cmd.Env = environment("TFOS_RUN="+s.run, "TFOS_TEST_GRACE=500ms")
	p.cmd.Stdin = bytes.NewReader(append(line, '\n'))
	errR, errW, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.cmd.Stderr = errW
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = errW.Close()
	time.AfterFunc(s.slow, func() { _, _ = io.Copy(p.stderr, errR) })
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = errR.Close()
		if s.t.Failed() {
			s.t.Logf("standard error of %s:\n%s", role, p.stderr)
		}
	})
	return p
}

// kill sends SIGKILL to this process only.
func (p *actor) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// line returns the next line of standard output.
func (p *actor) line() string {
	p.t.Helper()
	got := make(chan string, 1)
	go func() {
		line, _ := p.stdout.ReadString('\n')
		got <- strings.TrimSpace(line)
	}()
	select {
	case line := <-got:
		return line
	case <-time.After(patience):
		p.t.Fatalf("no line on standard output within %v", patience)
		return ""
	}
}

// end waits for a supervisor's end. It returns exit status and summary.
func (p *actor) end() (int, Summary) {
	p.t.Helper()
	var summary Summary
	if line := p.line(); line != "" {
		if err := json.Unmarshal([]byte(line), &summary); err != nil {
			p.t.Fatalf("summary %q: %v", line, err)
		}
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), summary
}

// memberPID reads an executor's line with the pid of its supervisor.
func (p *actor) memberPID() int {
	p.t.Helper()
	pid, err := strconv.Atoi(strings.TrimPrefix(p.line(), "pid "))
	if err != nil {
		p.t.Fatal(err)
	}
	return pid
}

// under returns the only child process of pid.
func under(t *testing.T, pid int) int {
	t.Helper()
	for _, candidate := range proc.Descendants(pid) {
		if st, err := proc.ReadStat(candidate); err == nil && st.Parent == pid {
			return candidate
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

func kill(t *testing.T, pid int, signal unix.Signal) {
	t.Helper()
	if err := unix.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) log(i int) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.logs, fmt.Sprintf("worker-%d.log", i)))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
