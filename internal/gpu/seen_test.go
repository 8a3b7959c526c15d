package gpu

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	devices := parseInventory([]byte(twoGPUs), []byte(facts2)).devices
	both := &Claim{Devices: devices}
	a, b := SeenDevice{Name: "/device:GPU:0", Bus: "0000:3b:00.0"}, SeenDevice{Name: "/device:GPU:1", Bus: "0000:5e:00.0"}
	good := Seen{TensorFlow: "2.19.1", Package: "tensorflow", CUDA: true, Devices: []SeenDevice{a, b}}
	if err := good.Check(both, "h"); err != nil {
		t.Error(err)
	}
	bus := good
	bus.Devices = []SeenDevice{{Name: a.Name}, b} // an old TensorFlow says no address
	if err := bus.Check(both, "h"); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*Seen)
		want   []string
	}{
		{func(s *Seen) { s.CUDA, s.Package, s.Devices = false, "tensorflow-cpu", nil },
			[]string{"tensorflow-cpu 2.19.1 on h sees no GPU", "pip uninstall tensorflow-cpu and pip install 'tensorflow[and-cuda]==2.19.1'"}},
		{func(s *Seen) { s.Devices, s.Driver = nil, "cuInit: error 803" }, []string{"driver 535.129.03", "cuInit: error 803"}},
		{func(s *Seen) { s.Devices = nil }, []string{"cuDNN are missing", "pip install 'tensorflow[and-cuda]==2.19.1' there"}},
		{func(s *Seen) { s.Devices = s.Devices[:1] }, []string{"sees 1 GPUs, not the 2 of CUDA_VISIBLE_DEVICES=GPU-aaaa-1,GPU-bbbb-2"}},
		{func(s *Seen) { s.Devices = []SeenDevice{b, a} }, []string{"/device:GPU:1 is the GPU at PCI address 0000:5e:00.0, not GPU 0 ("}},
		{func(s *Seen) { s.Devices = []SeenDevice{a, {Name: b.Name, Bus: b.Bus, Error: "out of memory"}} },
			[]string{"does not compute on GPU 1 (NVIDIA A100-SXM4-40GB, GPU-bbbb-2): out of memory"}},
		{func(s *Seen) { s.CUDA, s.Package, s.Library, s.Devices = false, "", "/l/libtensorflow.so.2", nil },
			[]string{"/l/libtensorflow.so.2 (TensorFlow 2.19.1) on h sees no GPU: it is built without CUDA", "as tensorflow.lib_dir, as the folder tensorflow of pip's tensorflow[and-cuda]==2.19.1"}},
		{func(s *Seen) { s.Error = "ImportError: x" }, []string{"cannot list its devices: ImportError: x"}},
	} {
		s := good
		c.change(&s)
		err := s.Check(both, "h")
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, without %q", s, err, want)
			}
		}
	}
}

// TestLate: what a TensorFlow that hangs is waiting for is named.
func TestLate(t *testing.T) {
	both := &Claim{Devices: parseInventory([]byte(twoGPUs), []byte(facts2)).devices}
	one := []SeenDevice{{Name: "/device:GPU:0"}}
	for _, c := range []struct {
		next    Step
		devices []SeenDevice
		want    string
	}{
		{StepImport, nil, "tensorflow 2.19.1 on h is not loaded after 20s: its files may be on a slow file system"},
		{StepDriver, nil, "the NVIDIA driver 535.129.03 on h does not start within 20s: GPU 0 ("},
		{StepOpen, nil, "tensorflow 2.19.1 on h (the NVIDIA driver 535.129.03) does not open its devices within 20s: GPU 0 ("},
		{StepCompute, one, "tensorflow 2.19.1 does not compute on GPU 1 (NVIDIA A100-SXM4-40GB, GPU-bbbb-2) of h (the NVIDIA driver 535.129.03) within 20s: it may hang: reset it"},
		{StepCompute, []SeenDevice{{}, {}}, "does not open its devices"}, // more than were claimed
	} {
		s := Seen{Next: c.next, TensorFlow: "2.19.1", Package: "tensorflow", Devices: c.devices}
		if err := s.Late(both, "h", 20*time.Second); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.next, err)
		}
	}
	if err := (Seen{}).Late(both, "h", time.Second); err != nil {
		t.Errorf("it has said all: %v", err)
	}
}
