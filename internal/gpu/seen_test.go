package gpu

import (
	"strings"
	"testing"
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
