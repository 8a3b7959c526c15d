package engine_test

import (
	"runtime"
	"syscall"
	"testing"
)

// TestStepThread: with one thread a step's operations run in the thread that calls Step.
func TestStepThread(t *testing.T) {
	graph, rows := begun(t, "wide"), batches(t, "wide")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	step := func(i int) {
		if _, _, err := graph.Step(t.Context(), rows[i%len(rows)]); err != nil {
			t.Fatal(err)
		}
	}
	step(0) // it optimises the graph
	own, all := cpuOf(t, syscall.RUSAGE_THREAD), cpuOf(t, syscall.RUSAGE_SELF)
	for i := range 200 {
		step(i)
	}
	own, all = cpuOf(t, syscall.RUSAGE_THREAD)-own, cpuOf(t, syscall.RUSAGE_SELF)-all
	if own < all/2 {
		t.Errorf("%.3f s of CPU in this thread, of %.3f s in all", own, all)
	}
}
