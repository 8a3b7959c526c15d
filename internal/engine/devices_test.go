package engine

import "testing"

// TestMultiplyOn: the product is computed and looked at; a device that is not there fails.
func TestMultiplyOn(t *testing.T) {
	if err := multiplyOn("/device:CPU:0"); err != nil {
		t.Error(err)
	}
	if err := multiplyOn("/device:GPU:7"); err == nil {
		t.Error("a device that is not there computes")
	}
	if hasGPUKernels("no such operation") {
		t.Error("an operation that is not there has kernels")
	}
}

// TestGPUsWithoutOne: a machine without GPUs has none, and that is no error of TensorFlow's.
// scripts/gpu-check.sh looks at one that has some.
func TestGPUsWithoutOne(t *testing.T) {
	t.Setenv("CUDA_VISIBLE_DEVICES", "")
	seen := GPUs()
	if seen.Error != "" || len(seen.Devices) != 0 || seen.TensorFlow != Version() {
		t.Errorf("%+v", seen)
	}
}
