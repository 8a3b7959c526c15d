package main

import (
	"strings"
	"testing"

	"tfos/internal/record"
)

const gib = 1024 // MiB

// TestGPUsText: the range of all devices, and the memory of the fullest.
func TestGPUsText(t *testing.T) {
	one := record.MemberGPU{Busy: 87, Memory: 30 * gib, TotalMemory: 80 * gib}
	other := record.MemberGPU{Busy: 5, Memory: 8 * gib, TotalMemory: 16 * gib}
	instance := record.MemberGPU{Busy: -1, MeanBusy: -1, Memory: -1, HighestMemory: -1, TotalMemory: -1}
	for _, c := range []struct {
		gpus []record.MemberGPU
		want string
	}{
		{nil, ""},
		{[]record.MemberGPU{instance}, ""},
		{[]record.MemberGPU{one}, "GPU 87 % busy, GPU memory 30.0 of 80.0 GiB"},
		{[]record.MemberGPU{one, instance, other}, "2 GPUs 5 to 87 % busy, GPU memory 8.0 of 16.0 GiB"},
		{[]record.MemberGPU{{Busy: -1, Memory: gib, TotalMemory: 2 * gib}}, "GPU memory 1.0 of 2.0 GiB"},
		{[]record.MemberGPU{{Busy: 0, Memory: -1, TotalMemory: 2 * gib}}, "GPU 0 % busy"},
	} {
		if got := gpusText(c.gpus); got != c.want {
			t.Errorf("%+v: %q, not %q", c.gpus, got, c.want)
		}
	}
}

// TestReportOfGPUs: a line for each device; n/a for what nvidia-smi does not say.
func TestReportOfGPUs(t *testing.T) {
	var b strings.Builder
	writeReport(&b, "job", record.Verdict{GPUs: []record.MemberGPU{
		{Member: "worker:0", Device: "GPU 0 (NVIDIA H200, GPU-a)", Busy: 3, MeanBusy: 86.6, Memory: gib, HighestMemory: 30 * gib, TotalMemory: 140 * gib},
		{Member: "worker:1", Device: "GPU 1:0 (NVIDIA H200, MIG-b)", Busy: -1, MeanBusy: -1, Memory: -1, HighestMemory: -1, TotalMemory: -1},
	}}, false)
	want := "  gpu      worker:0: GPU 0 (NVIDIA H200, GPU-a): busy 87 % (mean), memory 30.0 of 140.0 GiB (highest)\n" +
		"           worker:1: GPU 1:0 (NVIDIA H200, MIG-b): busy n/a (mean), memory n/a (highest)\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("%s", b.String())
	}
}
