package node

import (
	"context"
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
func newUsageMeter(guard int) *usageMeter { return &usageMeter{guard: guard} }

// watchGPUs measures the devices that visible names, as CUDA_VISIBLE_DEVICES does.
func (m *usageMeter) watchGPUs(visible string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gpus = gpuMeter{visible: visible}
}

// usage returns what was used up to now, or up to usageEvery ago.
func (m *usageMeter) usage() reserve.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.looked) < usageEvery {
		return m.total
	}
	m.looked = now
	read := readUsage(m.guard)
	// The sums of a process are lost when it ends and its parent ignores SIGCHLD. The
	// total must not go back then.
	m.total.CPU += max(0, read.CPU-m.last.CPU)
	m.total.Written += max(0, read.Written-m.last.Written)
	m.last = read
	m.total.GPU = m.gpus.busy(now)
	return m.total
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

// gpuMeter sums up how long GPUs were busy. Not safe for concurrent use.
type gpuMeter struct {
	visible string // "": there are none
	asked   time.Time
	pending chan int // the answer to the latest question, -1: none; nil: none is open
	absent  bool     // nvidia-smi gives no answer
	total   time.Duration
}

// gpuEvery is how often nvidia-smi is asked: it takes up to a second of CPU.
const gpuEvery = 20 * time.Second

// busy is the time up to the latest answer. It does not wait for nvidia-smi,
// which hangs when a device does.
func (g *gpuMeter) busy(now time.Time) time.Duration {
	if g.absent || g.visible == "" {
		return 0
	}
	select {
	case percent := <-g.pending:
		g.pending = nil
		if percent < 0 {
			g.absent = true
			return g.total
		}
		g.total += gpuEvery * time.Duration(percent) / 100
	default:
	}
	if g.pending == nil && now.Sub(g.asked) >= gpuEvery {
		g.asked = now
		answer := make(chan int, 1)
		g.pending = answer
		visible := g.visible
		go func() {
			percent, ok := gpu.Busy(context.Background(), visible)
			if !ok {
				percent = -1
			}
			answer <- percent
		}()
	}
	return g.total
}
