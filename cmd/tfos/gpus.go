package main

import (
	"fmt"
	"strings"

	"tfos/internal/record"
)

// gpusText describes how busy the devices of all members are now, and the memory of the one
// that has least left. It is "" if there are none, or if nothing is known of them.
func gpusText(gpus []record.MemberGPU) string {
	lowest, highest, known := 100, 0, 0
	var fullest record.MemberGPU
	for _, g := range gpus {
		if g.Busy >= 0 {
			lowest, highest, known = min(lowest, g.Busy), max(highest, g.Busy), known+1
		}
		if share(g) > share(fullest) {
			fullest = g
		}
	}
	var parts []string
	switch {
	case known == 1:
		parts = append(parts, fmt.Sprintf("GPU %d %% busy", lowest))
	case known > 1:
		parts = append(parts, fmt.Sprintf("%d GPUs %d to %d %% busy", known, lowest, highest))
	}
	if fullest.TotalMemory > 0 {
		parts = append(parts, "GPU memory "+gibibytes(fullest.Memory, fullest.TotalMemory))
	}
	return strings.Join(parts, ", ")
}

// share returns the part of a device's memory that is used; 0: not known.
func share(g record.MemberGPU) float64 {
	if g.Memory <= 0 || g.TotalMemory <= 0 {
		return 0
	}
	return float64(g.Memory) / float64(g.TotalMemory)
}

// gibibytes returns memory in MiB for people.
func gibibytes(used, total int64) string {
	if used < 0 || total < 0 {
		return notKnown
	}
	return fmt.Sprintf("%.1f of %.1f GiB", float64(used)/1024, float64(total)/1024)
}

// notKnown stands for what nvidia-smi does not say.
const notKnown = "n/a"

// gpus writes how programs used their devices.
func (r reporter) gpus(all []record.MemberGPU) {
	for i, g := range all {
		busy := notKnown
		if g.MeanBusy >= 0 {
			busy = fmt.Sprintf("%.0f %%", g.MeanBusy)
		}
		text := fmt.Sprintf("%s: %s: busy %s (mean), memory %s (highest)", g.Member, g.Device, busy, gibibytes(g.HighestMemory, g.TotalMemory))
		if i == 0 {
			r.field("gpu", text)
		} else {
			r.printf("           %s\n", text)
		}
	}
}
