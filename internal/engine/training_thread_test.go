package engine_test

import (
	"math"
	"os"
	"runtime"
	"syscall"
	"testing"

	"tfos/internal/engine"
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

// TestDenormalsAreZeroInSteps: in the calling thread TensorFlow takes 1e-40 for zero, as it
// does in its own threads. Go's own numbers stay as they are.
func TestDenormalsAreZeroInSteps(t *testing.T) {
	needTensorFlow(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	x := float32(math.Sqrt(float64(os.Getpid())) * 1e-22) // no constant, which the compiler would square
	square, err := engine.SquareInCaller(x)
	if err != nil {
		t.Fatal(err)
	}
	if square != 0 {
		t.Errorf("TensorFlow makes %g of %g squared", square, x)
	}
	if here := x * x; here == 0 {
		t.Error("Go's own product is 0 after a run")
	}
	if square, err = engine.SquareInCaller(1e-15); err != nil || square < 0.99e-30 || square > 1.01e-30 {
		t.Errorf("TensorFlow computes %g, %v", square, err)
	}
}
