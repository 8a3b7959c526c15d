package node

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/gpu"
	"tfos/internal/reserve"
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

// TestGPUUse: the devices of the member are measured while its program runs, and no others.
func TestGPUUse(t *testing.T) {
	begin := time.Now()
	later := func(n int) time.Time { return begin.Add(time.Duration(n) * gpuEvery) }
	// ask lets the meter ask, and take the answer.
	ask := func(t *testing.T, g *gpuMeter, n int) {
		g.look(later(n))
		eventually(t, "the answer is there", func() bool { return len(g.pending) == 1 })
		g.look(later(n))
	}
	listed := func(t *testing.T) []gpu.Device {
		devices, err := gpu.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return devices
	}
	t.Run("none", func(t *testing.T) {
		g := newGPUMeter(nil, begin)
		if g.look(later(5)); g.pending != nil || g.uses != nil {
			t.Error("nvidia-smi is asked for a member without devices")
		}
	})
	t.Run("devices", func(t *testing.T) {
		fakeSMI(t, 9000, 7000, 8000)
		devices := listed(t)[1:]
		g := newGPUMeter(devices, begin)
		if g.look(begin.Add(gpuEvery - 1)); g.pending != nil {
			t.Error("asked before the program can have begun")
		}
		ask(t, &g, 1)
		fakeSMIWith(t, 40, devices[0].ID, devices[1].ID)
		ask(t, &g, 2)
		want := []reserve.GPU{
			{Device: devices[0].String(), Percent: 40, Mean: 25, UsedMiB: 1000, HighestMiB: 3000, TotalMiB: 10000},
			{Device: devices[1].String(), Percent: 40, Mean: 25, UsedMiB: 1000, HighestMiB: 2000, TotalMiB: 10000},
		}
		if !slices.Equal(g.uses, want) || g.busy != gpuEvery {
			t.Errorf("busy for %s, %+v", g.busy, g.uses)
		}
	})
	t.Run("gone", func(t *testing.T) {
		fakeSMI(t, 9000)
		devices := listed(t)
		t.Setenv("PATH", t.TempDir())
		g := newGPUMeter(devices, begin)
		ask(t, &g, 1)
		if g.look(later(2)); g.pending != nil || g.uses[0].Percent != -1 || g.uses[0].UsedMiB != -1 {
			t.Errorf("an nvidia-smi that is not there is asked again: %+v", g.uses)
		}
	})
	t.Run("MIG", func(t *testing.T) {
		fakeSMI(t, 9000)
		instance := listed(t)[0]
		instance.ID = "MIG-1"
		g := newGPUMeter([]gpu.Device{instance}, begin)
		if g.look(later(1)); g.pending != nil || len(g.uses) != 1 || g.uses[0].Mean != -1 || g.uses[0].HighestMiB != -1 {
			t.Errorf("%+v", g.uses)
		}
		// A whole GPU beside it is known.
		g = newGPUMeter([]gpu.Device{instance, listed(t)[0]}, begin)
		if ask(t, &g, 1); g.uses[0].Percent != -1 || g.uses[1].Percent != 10 {
			t.Errorf("%+v", g.uses)
		}
	})
	t.Run("ended", func(t *testing.T) {
		fakeSMI(t, 9000)
		meter := newUsageMeter(os.Getpid())
		meter.watchGPUs(listed(t))
		meter.endGPUs()
		if meter.gpus.look(time.Now().Add(2 * gpuEvery)); meter.gpus.pending != nil {
			t.Error("nvidia-smi is asked after the program's end")
		}
	})
}
