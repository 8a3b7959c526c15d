package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/gpu"
)

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
	var steps []gpu.Step
	seen := GPUs(func(now gpu.Seen) { steps = append(steps, now.Next) })
	if !slices.Equal(steps, []gpu.Step{gpu.StepDriver, gpu.StepOpen}) {
		t.Errorf("steps %q", steps)
	}
	if seen.Error != "" || len(seen.Devices) != 0 || seen.TensorFlow != Version() || !strings.Contains(filepath.Base(seen.Library), "libtensorflow") {
		t.Errorf("%+v", seen)
	}
}

// TestDriverProblem: the driver's own words. A library of this test takes the place of
// NVIDIA's in processes of their own, because one that is loaded stays.
func TestDriverProblem(t *testing.T) {
	if want := os.Getenv("TFOS_TEST_DRIVER"); want != "" {
		if got := driverProblem(); !strings.Contains(got+"|", want) {
			t.Errorf("%q, not %q", got, want)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const source = `int cuInit(unsigned flags) { return CODE; }
		int cuGetErrorString(int code, const char **text) { *text = "no device was found"; return code == 100 ? 0 : 1; }`
	for _, c := range []struct{ code, want string }{
		{"0", "|"},
		{"100", "cuInit: no device was found (100)|"},
		{"999", "cuInit: error 999|"},
		{"", "cuInit or cuGetErrorString|"}, // another library of this name
	} {
		lib := t.TempDir()
		text := source
		if c.code == "" {
			text = "int other;"
		}
		cc := exec.Command("cc", "-shared", "-fPIC", "-DCODE="+c.code, "-x", "c", "-o", filepath.Join(lib, "libcuda.so.1"), "-")
		cc.Stdin = strings.NewReader(text)
		if out, err := cc.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.Command(self, "-test.run=^TestDriverProblem$")
		cmd.Env = append(os.Environ(), "TFOS_TEST_DRIVER="+c.want, "LD_LIBRARY_PATH="+lib+":"+os.Getenv("LD_LIBRARY_PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("code %q: %v: %s", c.code, err, out)
		}
	}
}
