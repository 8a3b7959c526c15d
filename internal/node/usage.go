package node

import (
	"context"
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
	total  reserve.Usage
}

// newUsageMeter measures what runs below guard. It uses no GPU until watchGPUs says so.
func newUsageMeter(guard int) *usageMeter {
	return &usageMeter{guard: guard, gpus: newGPUMeter(nil, time.Time{})}
}

// watchGPUs measures a member's devices from now on.
func (m *usageMeter) watchGPUs(devices []gpu.Device) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gpus = newGPUMeter(devices, time.Now())
}

// endGPUs measures no device any more: the program has ended.
func (m *usageMeter) endGPUs() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gpus.absent = true
}

// usage returns what was used up to now, or up to usageEvery ago.
func (m *usageMeter) usage() (reserve.Usage, []reserve.GPU) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.looked) < usageEvery {
		return m.total, slices.Clone(m.gpus.uses)
	}
	m.looked = now
	read := readUsage(m.guard)
	// The sums of a process are lost when it ends and its parent ignores SIGCHLD. The
	// total must not go back then.
	m.total.CPU += max(0, read.CPU-m.last.CPU)
	m.total.Written += max(0, read.Written-m.last.Written)
	m.last = read
	m.gpus.look(now)
	m.total.GPU = m.gpus.busy
	return m.total, slices.Clone(m.gpus.uses)
}

// readUsage reads /proc for all below guard, and what ended children of each
// process have left to it.
func readUsage(guard int) reserve.Usage {
	var sum reserve.Usage
	if st, err := proc.ReadStat(guard); err == nil {
		sum.CPU = st.ChildrenCPU // of processes that the guard has reaped
	}
	for _, pid := range proc.Descendants(guard) {
		if st, err := proc.ReadStat(pid); err == nil {
			sum.CPU += st.CPU + st.ChildrenCPU
		}
		sum.Written += proc.WrittenBytes(pid)
	}
	return sum
}

// gpuMeter measures how devices are used. Not safe for concurrent use.
type gpuMeter struct {
	devices []gpu.Device // whose use nvidia-smi may know
	asked   time.Time    // when the latest question was asked; at first, when the program was started
	pending chan []gpu.Use
	absent  bool          // nothing is asked: nvidia-smi has no answer, or the program has ended
	busy    time.Duration // of all devices together
	uses    []reserve.GPU // of devices, in their order
	samples []int         // of each mean
}

// gpuEvery is the time between two questions to nvidia-smi. One takes up to a second of CPU.
const gpuEvery = 10 * time.Second

func newGPUMeter(devices []gpu.Device, now time.Time) gpuMeter {
	g := gpuMeter{devices: devices, asked: now, samples: make([]int, len(devices)), absent: true}
	for _, d := range devices {
		g.uses = append(g.uses, reserve.GPU{Device: d.String(), Percent: -1, Mean: -1, UsedMiB: -1, HighestMiB: -1, TotalMiB: d.TotalMiB})
		g.absent = g.absent && d.ID != d.GPU // nothing is known of a MIG instance
	}
	return g
}

// look takes the answer to the latest question, and asks again if it is time to. It does
// not wait for nvidia-smi, which hangs when a device does.
func (g *gpuMeter) look(now time.Time) {
	if g.absent {
		return
	}
	select {
	case uses := <-g.pending:
		g.pending, g.absent = nil, uses == nil
		g.add(uses, gpuEvery)
	default:
	}
	if g.pending != nil || g.absent || now.Sub(g.asked) < gpuEvery {
		return
	}
	g.asked = now
	answer := make(chan []gpu.Use, 1)
	g.pending = answer
	devices := g.devices
	go func() {
		uses, err := gpu.UseNow(context.Background(), devices)
		if err != nil {
			uses = nil
		}
		answer <- uses
	}()
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
