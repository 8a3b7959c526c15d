package node

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"time"

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
	gpus  gpuMeter

	mu     sync.Mutex
	looked time.Time
	last   reserve.Usage // as read, and not yet summed up
	total  reserve.Usage
}

// newUsageMeter measures what runs below guard and uses the GPUs of visible
// (visibleDevices).
func newUsageMeter(guard int, visible string) *usageMeter {
	return &usageMeter{guard: guard, gpus: gpuMeter{visible: visible}}
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
	visible string // see sumUtilisation
	asked   time.Time
	pending chan int // the answer to the latest question; nil: none is open
	absent  bool     // there is no nvidia-smi
	total   time.Duration
}

// gpuEvery is how often nvidia-smi is asked: it takes up to a second of CPU.
const gpuEvery = 20 * time.Second

// busy is the time up to the latest answer. It does not wait for nvidia-smi,
// which hangs when a device does.
func (g *gpuMeter) busy(now time.Time) time.Duration {
	if g.absent {
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
		go func() { answer <- gpuUtilisation(g.visible) }()
	}
	return g.total
}

// sumUtilisation adds up nvidia-smi's lines "index, uuid, percent" of the
// visible devices, a list of indices or UUIDs, which may be cut short; all where
// visible is "". The list ends before the first that is not there, as CUDA has it.
func sumUtilisation(text []byte, visible string) int {
	var devices [][][]byte // index, uuid, percent
	for line := range bytes.Lines(text) {
		if fields := bytes.Split(bytes.TrimSpace(line), []byte(", ")); len(fields) == 3 {
			devices = append(devices, fields)
		}
	}
	seen := devices
	if visible != "" {
		seen = nil
		for name := range bytes.SplitSeq([]byte(visible), []byte(",")) {
			i := slices.IndexFunc(devices, func(d [][]byte) bool { return isDevice(bytes.TrimSpace(name), d[0], d[1]) })
			if i < 0 {
				break
			}
			seen = append(seen, devices[i])
		}
	}
	sum := 0
	for _, d := range seen {
		percent, _ := strconv.Atoi(string(d[2])) // [N/A] counts nothing
		sum += percent
	}
	return sum
}

// isDevice tells whether a name of CUDA_VISIBLE_DEVICES is that device.
func isDevice(name, index, uuid []byte) bool {
	return bytes.Equal(name, index) || bytes.HasPrefix(name, []byte("GPU-")) && bytes.HasPrefix(uuid, name)
}
