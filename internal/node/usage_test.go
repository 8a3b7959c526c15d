package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/work"
)

// A program that computes makes progress, even if it writes nothing. Here it computes in
// short-lived processes.
func TestAQuietProgramIsNotStalled(t *testing.T) {
	s := newScene(t, 1, func(c *work.Config) { c.StallMS = 2_500 })
	a := s.act("run", s.assignment(0, "quiet"))
	s.awaitPhase(0, "computing")
	time.Sleep(6 * time.Second)
	s.command(map[string]any{"event": "stop", "reason": "seen enough"})
	if v := s.verdict(); v.Code == 8 {
		t.Errorf("verdict %+v", v)
	}
	a.end()
	nothingLeft(t, s.run, s.tmp)
}

func TestAProgramThatDoesNothingIsStalled(t *testing.T) {
	s := newScene(t, 1, func(c *work.Config) { c.StallMS = 2_500 })
	a := s.act("run", s.assignment(0, "sleep"))
	s.awaitPhase(0, "sleeping")
	v := s.verdict()
	if v.Code != 8 || !strings.Contains(v.Cause, "took no row, printed no line, used 0.") || !strings.Contains(v.Cause, "wrote nothing") {
		t.Errorf("verdict %+v", v)
	}
	a.end()
	nothingLeft(t, s.run, s.tmp)
}

func TestGPUUtilisation(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if got := gpuUtilisation(""); got != -1 {
		t.Errorf("without nvidia-smi: %d", got)
	}
	script := "#!/bin/sh\necho '0, GPU-aa, 30'\necho '1, GPU-bb, 50'\necho '2, GPU-cc, [N/A]'\n"
	if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for visible, want := range map[string]int{"": 80, "1": 50, "GPU-aa,GPU-cc": 30, "-1": 0, "GPU-b": 50, "1,-1,0": 50, "1, 0": 80, "7,0": 0} {
		if got := gpuUtilisation(visible); got != want {
			t.Errorf("visible %q: %d, not %d", visible, got, want)
		}
	}
	now := time.Now()
	g := newUsageMeter(os.Getpid(), "1").gpus
	g.busy(now)
	eventually(t, "the answer is there", func() bool { return len(g.pending) == 1 })
	if got, want := g.busy(now.Add(time.Second)), gpuEvery*50/100; got != want {
		t.Errorf("busy for %s, not %s", got, want)
	}
}

// TestVisibleDevices: usage counts only the GPUs that the child sees.
func TestVisibleDevices(t *testing.T) {
	for _, c := range []struct {
		role map[string]string
		base []string
		want string
	}{
		{nil, nil, ""},
		{nil, []string{"CUDA_VISIBLE_DEVICES=1"}, "1"},
		{nil, []string{"CUDA_VISIBLE_DEVICES="}, "-1"},
		{map[string]string{"CUDA_VISIBLE_DEVICES": "0,2"}, []string{"CUDA_VISIBLE_DEVICES=1"}, "0,2"},
		{map[string]string{"CUDA_VISIBLE_DEVICES": ""}, []string{"CUDA_VISIBLE_DEVICES=1"}, "-1"},
		{map[string]string{"A": "b"}, nil, ""},
	} {
		a := Assignment{Job: "worker", Config: Config{Roles: map[string]RoleConfig{"worker": {Env: c.role}, "ps": {Env: map[string]string{"CUDA_VISIBLE_DEVICES": "9"}}}}}
		if got := visibleDevices(a, c.base); got != c.want {
			t.Errorf("%v over %v: %q, not %q", c.role, c.base, got, c.want)
		}
	}
}
