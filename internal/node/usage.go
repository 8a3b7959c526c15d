package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tfos/internal/gpu"
	"tfos/internal/proc"
	"tfos/internal/reserve"
)

// usageEvery is the least time between two looks at /proc: renewals come
// more often when rows flow, and a look takes milliseconds on a full host.
const usageEvery = time.Second

// usageMeter sums up what all processes below a guard use. Its methods may be
// called concurrently.
type usageMeter struct {
	guard int // pid

	mu     sync.Mutex
	gpus   gpuMeter
	looked time.Time
	last   reserve.Usage // as read, and not yet summed up
	waits  []wait
	total  reserve.Usage
}

// newUsageMeter measures what runs below guard. It knows no GPU before watchGPUs.
func newUsageMeter(guard int) *usageMeter { return &usageMeter{guard: guard} }

// usage returns what was used up to now, or up to usageEvery ago.
func (m *usageMeter) usage() (reserve.Usage, []reserve.GPU) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.looked) < usageEvery {
		return m.total, slices.Clone(m.gpus.uses)
	}
	m.looked = now
	read, waits := readUsage(m.guard)
	// The sums of a process are lost when it ends and its parent ignores SIGCHLD. The
	// total must not go back then.
	m.total.CPU += max(0, read.CPU-m.last.CPU)
	m.total.Written += max(0, read.Written-m.last.Written)
	m.last = read
	m.total.GPU = m.gpus.busy
	m.total.Stuck = stuck(m.waits, waits)
	m.waits = waits
	return m.total, slices.Clone(m.gpus.uses)
}

// readUsage reads /proc for all below guard, and what ended children of each
// process have left to it.
func readUsage(guard int) (sum reserve.Usage, waits []wait) {
	if st, err := proc.ReadStat(guard); err == nil {
		sum.CPU = st.ChildrenCPU // of processes that the guard has reaped
	}
	for _, pid := range proc.Descendants(guard) {
		if st, err := proc.ReadStat(pid); err == nil {
			sum.CPU += st.CPU + st.ChildrenCPU
			if st.Uninterruptible() {
				waits = append(waits, wait{pid, st.CPU})
			}
		}
		sum.Written += proc.WrittenBytes(pid)
	}
	return sum, waits
}

// wait is a process that no signal ends at this moment.
type wait struct {
	pid int
	cpu time.Duration // used so far
}

// stuck names a process that still waits as it did before. "": there is none.
func stuck(before, now []wait) string {
	for _, w := range now {
		if slices.Contains(before, w) {
			return fmt.Sprintf("process %d waits in the kernel (%s), where no signal ends it: a file system or a device may hang",
				w.pid, cmp.Or(proc.KernelWait(w.pid), "it does not say where"))
		}
	}
	return ""
}

// gpuMeter sums up how devices are used.
type gpuMeter struct {
	busy    time.Duration // of all devices together
	uses    []reserve.GPU // of devices, in their order
	samples []int         // of each mean
}

func newGPUMeter(devices []gpu.Device) gpuMeter {
	g := gpuMeter{samples: make([]int, len(devices))}
	for _, d := range devices {
		g.uses = append(g.uses, reserve.GPU{Device: d.String(), Percent: -1, Mean: -1, UsedMiB: -1, HighestMiB: -1, TotalMiB: d.TotalMiB})
	}
	return g
}

// add takes a sample that stands for a time.
func (g *gpuMeter) add(sample []gpu.Use, span time.Duration) {
	for i, now := range sample {
		at := &g.uses[i]
		at.Percent, at.UsedMiB, at.HighestMiB = now.Percent, now.UsedMiB, max(at.HighestMiB, now.UsedMiB)
		if now.Percent >= 0 {
			g.busy += span * time.Duration(now.Percent) / 100
			at.Mean = (max(0, at.Mean)*float64(g.samples[i]) + float64(now.Percent)) / float64(g.samples[i]+1)
			g.samples[i]++
		}
	}
}

// gpuEvery is the time between two questions to nvidia-smi. One takes up to a second of CPU.
const gpuEvery = 10 * time.Second

// watchGPUs measures devices until ctx ends. It waits for nvidia-smi, which hangs when a
// device does.
func (m *usageMeter) watchGPUs(ctx context.Context, devices []gpu.Device, every time.Duration) {
	m.mu.Lock()
	m.gpus = newGPUMeter(devices)
	m.mu.Unlock()
	if !slices.ContainsFunc(devices, gpu.Device.Whole) {
		return // nvidia-smi says nothing of MIG instances
	}
	next := time.NewTicker(every)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		sample, err := gpu.UseNow(ctx, devices)
		if errors.Is(err, gpu.ErrNoDriver) || errors.Is(err, gpu.ErrUnkillable) {
			return // the next one would be left behind too
		}
		m.mu.Lock()
		m.gpus.add(sample, every) // none, if nvidia-smi has failed
		m.mu.Unlock()
	}
}
