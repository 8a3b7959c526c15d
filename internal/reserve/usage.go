package reserve

import (
	"fmt"
	"time"
)

// idleShare divides a core: a program that uses less than a hundredth of one
// does nothing. TensorFlow that waits for a peer uses 0.0005 to 0.001, a
// program that looks every 10 ms whether it may go on 0.0065.
const idleShare = 100

// Usage is what a member's child, and all processes that descend from it, used
// since the child's start. The numbers never go back.
type Usage struct {
	CPU     time.Duration // all cores together
	GPU     time.Duration // busy time of the devices that the member sees
	Written int64         // bytes to storage
	// Stuck is a process that waits in the kernel where no signal ends it, for people. "":
	// none has done so for a while.
	Stuck string
}

// GPU is how a member's program uses one of its devices. -1: nvidia-smi has not said it.
type GPU struct {
	Device  string  // index, name and UUID, for people
	Percent int     // of a second or less in which it computed, lately
	Mean    float64 // of all Percent since the program's start
	// Memory of the device, whichever process has it.
	UsedMiB, HighestMiB, TotalMiB int64
}

// gpus returns how each member's program uses its devices. Of a member that was lost it is
// what the member said last.
func (r *Roster) gpus() []MemberGPU {
	var out []MemberGPU
	for _, p := range r.places {
		for _, g := range p.renewal.GPUs {
			out = append(out, MemberGPU{
				Member: p.name().String(), Host: p.registration.Host, Device: g.Device,
				Busy: g.Percent, MeanBusy: g.Mean, Memory: g.UsedMiB, HighestMemory: g.HighestMiB, TotalMemory: g.TotalMiB,
			})
		}
	}
	return out
}

// busy reports whether the program was at work since last. It was when it wrote
// to storage, or when its CPU and GPU time is at least a hundredth of stall: a
// program that uses more than that share is then never idle for stall.
func (u Usage) busy(last Usage, stall time.Duration) bool {
	return u.Written > last.Written || u.CPU-last.CPU+u.GPU-last.GPU >= stall/idleShare
}

// since returns what was used since last, for messages.
func (u Usage) since(last Usage) string {
	text := fmt.Sprintf("used %.1f s of CPU", (u.CPU - last.CPU).Seconds())
	if gpu := u.GPU - last.GPU; gpu > 0 {
		text += fmt.Sprintf(" and %.1f s of GPU", gpu.Seconds())
	}
	text += ", wrote nothing"
	if u.Stuck != "" {
		text += ", and " + u.Stuck
	}
	return text
}
