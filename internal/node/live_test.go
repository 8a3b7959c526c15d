package node

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

func TestSuccess(t *testing.T) {
	s := newScene(t, 2, nil)
	one, two := s.act("run", s.assignment(0, "ok")), s.act("run", s.assignment(1, "env"))
	if v := s.verdict(); v.Code != 0 {
		t.Errorf("verdict %+v", v)
	}
	// Both end at the server's word, while it still serves.
	for i, p := range []*actor{one, two} {
		if status, summary := p.end(); status != ExitDone || summary.Kind != "succeeded" {
			t.Errorf("worker %d: status %d, %+v", i, status, summary)
		}
	}
	nothingLeft(t, s.run, s.tmp)
	if log := s.log(0); !strings.Contains(log, "on stdout\n") || !strings.Contains(log, "on stderr\n") || !strings.Contains(one.stderr.String(), "on stderr\n") {
		t.Errorf("log %q", log)
	}
}

// The run waits for an evaluator, which is told that training has ended.
func TestAnEvaluatorFinishes(t *testing.T) {
	s := newScene(t, 2, func(c *work.Config) { c.Members[1].Required = false })
	trains, evaluates := s.assignment(0, "waits"), s.assignment(1, "evaluates")
	one, two := s.act("run", trains), s.act("run", evaluates)
	s.awaitPhase(1, "evaluating")
	s.await("tensorboard", func(e map[string]any) bool { return e["url"] == "http://h:6006/" })
	s.await("warning", func(e map[string]any) bool { return e["message"] == "worker:1: two lines" })
	if err := os.WriteFile(filepath.Join(workingDirectory(trains), "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v := s.verdict(); v.Code != 0 {
		t.Errorf("verdict %+v", v)
	}
	for i, p := range []*actor{one, two} {
		if status, summary := p.end(); status != ExitDone || summary.Kind != "succeeded" {
			t.Errorf("worker %d: status %d, %+v", i, status, summary)
		}
	}
	if !exists(filepath.Join(workingDirectory(evaluates), "heard")) {
		t.Error("the evaluator did not hear that training had ended")
	}
}

func TestChildsEnvironmentHoldsNoSecret(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "env")
	p := s.act("run", a)
	if v := s.verdict(); v.Code != 0 {
		t.Fatalf("verdict %+v", v)
	}
	p.end()
	text, err := os.ReadFile(filepath.Join(workingDirectory(a), "child.env"))
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(text, &env); err != nil {
		t.Fatal(err)
	}
	c := command{Env: env}
	if got := envValue(c, "TF_CONFIG"); !strings.Contains(got, `"task":{"type":"worker","index":0}`) || !strings.Contains(got, `"worker":["127.0.0.1:`) {
		t.Errorf("TF_CONFIG=%s", got)
	}
	if got := envValue(c, "TFOS_RUN"); got != s.run {
		t.Errorf("TFOS_RUN=%s", got)
	}
	for _, secret := range []string{a.Token, "PRIVATE KEY"} {
		if strings.Contains(string(text), secret) {
			t.Error("a secret is in the child's environment")
		}
	}
}

func TestFailuresAreReported(t *testing.T) {
	for _, test := range []struct {
		mode string
		want reserve.Verdict
		last []string // of standard error
	}{
		{"exit3", reserve.Verdict{Code: 5, Cause: "exit status 3", Phase: "starting", ExitCode: 3}, []string{"last words"}},
		{"raise", reserve.Verdict{Code: 6, Cause: "ValueError: bad shape", Phase: "running", ExitCode: 1},
			[]string{"Traceback (most recent call last):", "ValueError: bad shape"}},
	} {
		t.Run(test.mode, func(t *testing.T) {
			s := newScene(t, 1, nil)
			s.slow = time.Second // the last words are still in the pipe when the child ends
			p := s.act("run", s.assignment(0, test.mode))
			v := s.verdict()
			if v.Code != test.want.Code || v.Cause != test.want.Cause || v.Phase != test.want.Phase ||
				v.ExitCode != test.want.ExitCode || v.Member != "worker:0" || v.Host != hostName("") {
				t.Errorf("verdict %+v", v)
			}
			if n := len(v.Stderr) - len(test.last); n < 0 || !slices.Equal(v.Stderr[n:], test.last) {
				t.Errorf("standard error %q", v.Stderr)
			}
			if v.LogPath != filepath.Join(s.logs, "worker-0.log") {
				t.Errorf("log path %q", v.LogPath)
			}
			if status, summary := p.end(); status != ExitDone || summary.Kind != "failed" {
				t.Errorf("status %d, %+v", status, summary)
			}
			nothingLeft(t, s.run, s.tmp)
		})
	}
}

func TestAMissingInterpreterIsAFailure(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "ok")
	a.Config.Child.Interpreter = "no-such-python"
	p := s.act("run", a)
	if v := s.verdict(); v.Code != 5 || !strings.Contains(v.Cause, "no-such-python") || v.ExitCode != -1 {
		t.Errorf("verdict %+v", v)
	}
	if status, _ := p.end(); status != ExitDone {
		t.Errorf("status %d", status)
	}
	nothingLeft(t, s.run, s.tmp)
}

func TestNoLibtensorflow(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "")
	a.Config.Child = ChildConfig{Kind: childEngine, Engine: "tfos-engine", LibDir: "lib"}
	// What the loader does, seen with glibc 2.36.
	engine := "#!/bin/sh\necho \"$1 $LD_LIBRARY_PATH\"\n" +
		"echo \"$0: error while loading shared libraries: libtensorflow_cc.so.2: cannot open shared object file: No such file or directory\" >&2\nexit 127\n"
	if err := os.WriteFile(filepath.Join(a.Files, "tfos-engine"), []byte(engine), 0o755); err != nil {
		t.Fatal(err)
	}
	p := s.act("run", a)
	if v := s.verdict(); v.Code != 5 || !strings.HasPrefix(v.Cause, "no libtensorflow on "+hostName("")) || v.ExitCode != 127 {
		t.Errorf("verdict %+v", v)
	}
	if status, _ := p.end(); status != ExitDone {
		t.Errorf("status %d", status)
	}
	if log := s.log(0); !strings.Contains(log, "run "+filepath.Join(a.Files, "lib")) {
		t.Errorf("log %q", log)
	}
	nothingLeft(t, s.run, s.tmp)
}

func TestStop(t *testing.T) {
	for _, mode := range []string{"sleep", "polite", "stubborn", "family"} {
		t.Run(mode, func(t *testing.T) {
			s := newScene(t, 1, nil)
			p := s.act("run", s.assignment(0, mode))
			s.awaitPhase(0, "sleeping")
			s.command(map[string]string{"cmd": "stop", "reason": "interrupted"})
			if status, summary := p.end(); status != ExitDone || summary.Kind != "stopped" {
				t.Errorf("status %d, %+v", status, summary)
			}
			if log := p.stderr.String(); strings.Contains(log, "the guard does not end") {
				t.Errorf("the guard was waited for in vain: %s", log)
			}
			nothingLeft(t, s.run, s.tmp)
			if got := strings.Contains(s.log(0), "terminated\n"); got != (mode == "polite") {
				t.Errorf("SIGTERM came through: %v", got)
			}
			if v := s.verdict(); v.Code != 130 {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func TestStopBeforeTheClusterFormed(t *testing.T) {
	s := newScene(t, 2, nil)
	p := s.act("run", s.assignment(0, "ok"))
	s.await("waiting", func(e map[string]any) bool { return e["registered"] == 1.0 })
	s.command(map[string]string{"cmd": "stop", "reason": "interrupted"})
	if status, summary := p.end(); status != ExitDone || summary.Kind != "stopped" {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}

// If one process of a member's chain is killed, the others end too, and the server gets
// the cause.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		who   string
		cause string // a part of it
		phase string
	}{
		{"supervisor", "no sign of life", "sleeping"},
		{"guard", "guard", "sleeping"},
		{"child", "killed by signal 9 (SIGKILL): often the out-of-memory killer", "sleeping"},
		{"executor", "the executor is gone", "sleeping"},
		{"supervisor, told by SIGTERM", "terminated by a signal", "sleeping"},
	} {
		t.Run(test.who, func(t *testing.T) {
			s := newScene(t, 1, nil)
			executor := s.act("executor", s.assignment(0, "family"))
			supervisor := executor.memberPID()
			s.awaitPhase(0, "sleeping")
			if got := len(runProcesses(s.run)); got != 6 {
				t.Fatalf("%d processes, want executor, supervisor, guard, child and its two", got)
			}
			guard := under(t, supervisor)
			switch test.who {
			case "supervisor":
				kill(t, supervisor, unix.SIGKILL)
			case "guard":
				kill(t, guard, unix.SIGKILL)
			case "child":
				kill(t, slices.Min(proc.Descendants(guard)), unix.SIGKILL) // started first
			case "executor":
				executor.kill()
			default:
				kill(t, supervisor, unix.SIGTERM)
			}
			v := s.verdict()
			if v.Code != 5 || !strings.Contains(v.Cause, test.cause) || v.Phase != test.phase || v.Retryable != (test.who != "child") {
				t.Errorf("verdict %+v", v)
			}
			if test.who != "executor" {
				want := "status 0"
				if test.who == "supervisor" {
					want = "status -1"
				}
				if line := executor.line(); !strings.HasPrefix(line, want) {
					t.Errorf("the executor sees %q, want %q", line, want)
				}
				executor.kill()
				_ = executor.cmd.Wait()
			}
			nothingLeft(t, s.run, s.tmp)
		})
	}
}

func TestKilledBeforeTheClusterFormed(t *testing.T) {
	s := newScene(t, 2, nil)
	p := s.act("run", s.assignment(0, "ok"))
	s.await("waiting", func(e map[string]any) bool { return e["registered"] == 1.0 })
	if left, _ := filepath.Glob(filepath.Join(s.tmp, "tfos-*")); len(left) != 1 {
		t.Fatalf("work folders: %q", left)
	}
	p.kill()
	_ = p.cmd.Wait()
	nothingLeft(t, s.run, s.tmp)
}

func TestLeaseLost(t *testing.T) {
	for mode, phase := range map[string]string{"stubborn": "sleeping", "ok": reserve.PhaseEnded} {
		t.Run(mode, func(t *testing.T) {
			s := newScene(t, 2, nil)
			one, two := s.act("run", s.assignment(0, mode)), s.act("run", s.assignment(1, "sleep"))
			s.awaitPhase(1, "sleeping")
			s.awaitPhase(0, phase)
			if err := s.server.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			for _, p := range []*actor{one, two} {
				if status, _ := p.end(); status != ExitDone {
					t.Errorf("status %d", status)
				}
			}
			nothingLeft(t, s.run, s.tmp)
		})
	}
}

func TestASecondMemberOnAnExecutorIsToldToComeAgain(t *testing.T) {
	s := newScene(t, 2, func(c *work.Config) { c.Shared = false })
	s.act("run", s.assignment(0, "ok"))
	s.await("waiting", func(e map[string]any) bool { return e["registered"] == 1.0 })
	if status, summary := s.act("run", s.assignment(1, "ok")).end(); status != ExitRetry || !strings.Contains(summary.Cause, "rejected") {
		t.Errorf("status %d, %+v", status, summary)
	}
}

func TestAnUnknownMemberIsNotPlacedAgain(t *testing.T) {
	s := newScene(t, 1, nil)
	if status, summary := s.act("run", s.assignment(5, "ok")).end(); status != ExitDone || !strings.Contains(summary.Cause, "rejected") {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}

func TestNoServer(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "ok")
	a.Server = "127.0.0.1:1" // nobody listens on tcpmux
	if status, summary := s.act("run", a).end(); status != ExitRetry || summary.Kind != "lost" {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}

func TestWhatNeverRegisteredIsPartOfTheVerdict(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "ok")
	reportNotStarted(t.Context(), Options{Log: testLog()}, a, errors.New("no room for a work folder"))
	s.command(map[string]string{"cmd": "spark_failed", "phase": "members", "cause": "Subprocess exited with status 75"})
	if v := s.verdict(); !strings.Contains(v.Cause, "no room for a work folder") || v.Member != "worker:0" {
		t.Errorf("verdict %+v", v)
	}
}

func TestBadCredentialsAreNoMember(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "ok")
	a.CA = "no certificate"
	if status, summary := s.act("run", a).end(); status != ExitRetry || !strings.Contains(summary.Cause, "authority") {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}

func TestAnUnreadableAssignmentEndsWithStatus0(t *testing.T) {
	s := newScene(t, 1, nil)
	status, summary := s.act("run", Assignment{}).end()
	if status != ExitDone || summary.Kind != "failed" || !strings.Contains(summary.Cause, "token is empty") {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}
