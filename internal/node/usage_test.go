package node

import (
	"os"
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

// TestGPUUtilisation: only the devices of the member count, and none where it has none.
func TestGPUUtilisation(t *testing.T) {
	now := time.Now()
	meter := newUsageMeter(os.Getpid())
	if meter.gpus.busy(now); meter.gpus.pending != nil {
		t.Error("nvidia-smi is asked for a member without devices")
	}
	for _, c := range []struct {
		free    []int
		visible string
		want    time.Duration
	}{
		{[]int{9000, 9000}, "1", gpuEvery * 10 / 100},
		{[]int{9000, 9000}, "0,1", gpuEvery * 20 / 100},
		{[]int{9000}, "7", 0},
	} {
		fakeSMI(t, c.free...)
		meter.watchGPUs(c.visible)
		g := meter.gpus
		g.busy(now)
		eventually(t, "the answer is there", func() bool { return len(g.pending) == 1 })
		if got := g.busy(now.Add(time.Second)); got != c.want {
			t.Errorf("%s: busy for %s, not %s", c.visible, got, c.want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	meter.watchGPUs("0")
	g := meter.gpus
	g.busy(now)
	eventually(t, "the answer is there", func() bool { return len(g.pending) == 1 })
	if g.busy(now.Add(time.Second)); !g.absent {
		t.Error("an nvidia-smi that is not there is asked again")
	}
}
