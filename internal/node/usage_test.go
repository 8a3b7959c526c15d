package node

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/gpu"
	"tfos/internal/proc/proctest"
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

// TestStuck: a process that no signal ends is named, with what it waits for.
func TestStuck(t *testing.T) {
	file := proctest.FrozenFile(t)
	child := exec.Command("sh", "-c", "dd if=/dev/zero of="+file+" count=1 status=none; :")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	m := newUsageMeter(os.Getpid())
	late := time.Now().Add(20 * time.Second)
	got := reserve.Usage{}
	for ; got.Stuck == "" && time.Now().Before(late); got, _ = m.usage() {
		time.Sleep(usageEvery / 2)
	}
	want := regexp.MustCompile(`^process \d+ waits in the kernel \(.+\), where no signal ends it: a file system or a device may hang$`)
	if !want.MatchString(got.Stuck) {
		t.Errorf("%q", got.Stuck)
	}
	if err := exec.Command("fsfreeze", "-u", filepath.Dir(file)).Run(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	time.Sleep(usageEvery)
	if got, _ := m.usage(); got.Stuck != "" {
		t.Errorf("it has ended: %q", got.Stuck)
	}
}

// TestGPUMeter: means and highest values; what nvidia-smi does not say changes none.
func TestGPUMeter(t *testing.T) {
	devices := []gpu.Device{{ID: "GPU-a", GPU: "GPU-a", TotalMiB: 100}, {ID: "MIG-b", GPU: "GPU-b", TotalMiB: -1}}
	g := newGPUMeter(devices)
	for _, sample := range [][]gpu.Use{{{Percent: 10, UsedMiB: 50}, {Percent: -1, UsedMiB: -1}}, nil, {{Percent: 40, UsedMiB: 30}, {Percent: -1, UsedMiB: -1}}, {{Percent: -1, UsedMiB: 40}, {Percent: -1, UsedMiB: -1}}} {
		g.add(sample, 10*time.Second)
	}
	want := []reserve.GPU{
		{Device: devices[0].String(), Percent: -1, Mean: 25, UsedMiB: 40, HighestMiB: 50, TotalMiB: 100},
		{Device: devices[1].String(), Percent: -1, Mean: -1, UsedMiB: -1, HighestMiB: -1, TotalMiB: -1},
	}
	if !slices.Equal(g.uses, want) || g.busy != 5*time.Second {
		t.Errorf("busy for %s, %+v", g.busy, g.uses)
	}
}

// TestWatchGPUs: the devices of the member are measured, and no others, until its program
// has ended or nvidia-smi is gone.
func TestWatchGPUs(t *testing.T) {
	const every = 20 * time.Millisecond
	listed := func(t *testing.T) []gpu.Device {
		devices, err := gpu.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return devices
	}
	// watch returns what the meter says at this moment, and the end of the watch.
	watch := func(ctx context.Context, devices []gpu.Device) (func() []reserve.GPU, <-chan struct{}) {
		meter, over := newUsageMeter(os.Getpid()), make(chan struct{})
		go func() {
			defer close(over)
			meter.watchGPUs(ctx, devices, every)
		}()
		return func() []reserve.GPU {
			_, uses := meter.usage()
			return uses
		}, over
	}
	ends := func(t *testing.T, over <-chan struct{}) {
		t.Helper()
		select {
		case <-over:
		case <-time.After(30 * time.Second):
			t.Fatal("it is still measured")
		}
	}
	t.Run("devices", func(t *testing.T) {
		fakeSMI(t, 9000, 7000, 8000)
		ctx, stop := context.WithCancel(t.Context())
		uses, over := watch(ctx, listed(t)[1:])
		eventually(t, "they are measured", func() bool { all := uses(); return len(all) == 2 && all[0].Mean == 10 })
		if all := uses(); all[0].HighestMiB != 3000 || all[1].HighestMiB != 2000 {
			t.Errorf("%+v", all)
		}
		stop()
		ends(t, over)
	})
	t.Run("gone", func(t *testing.T) {
		fakeSMI(t, 9000)
		devices := listed(t)
		t.Setenv("PATH", t.TempDir())
		uses, over := watch(t.Context(), devices)
		ends(t, over)
		if all := uses(); all[0].Percent != -1 || all[0].UsedMiB != -1 {
			t.Errorf("%+v", all)
		}
	})
	t.Run("MIG", func(t *testing.T) {
		fakeSMI(t, 9000)
		whole := listed(t)[0]
		instance := whole
		instance.ID = "MIG-1"
		uses, over := watch(t.Context(), []gpu.Device{instance})
		if ends(t, over); len(uses()) != 1 {
			t.Errorf("%+v", uses())
		}
		uses, _ = watch(t.Context(), []gpu.Device{instance, whole})
		eventually(t, "the GPU beside it is measured", func() bool { all := uses(); return len(all) == 2 && all[1].Mean == 10 })
		if all := uses(); all[0].Mean != -1 || all[0].HighestMiB != -1 {
			t.Errorf("%+v", all)
		}
	})
}
