package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOutputKeepsTheLastErrorLines(t *testing.T) {
	dir := t.TempDir()
	var forward bytes.Buffer
	o := openOutput(logPlaces(dir, t.TempDir(), "worker-1", noEnv), &forward, testLog())
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	in.WriteString("step 1\rstep 2\r\xff" + strings.Repeat("x", 2*o.stderr.maxBytes) + "\nno end")
	const printed = "\x1b[1maccuracy 0.9\x1b[0m\n"
	o.copyFrom(iotest.HalfReader(strings.NewReader(in.String())), o.stderr)
	o.copyFrom(strings.NewReader(printed), o.stdout)
	if out := o.stdout.lastLines(); !slices.Equal(out, []string{"accuracy 0.9"}) {
		t.Errorf("standard output %q", out)
	}
	last := o.stderr.lastLines()
	if len(last) != o.stderr.maxLines {
		t.Fatalf("%d lines, want %d", len(last), o.stderr.maxLines)
	}
	if want := []string{"line 99", "step 1", "step 2"}; !slices.Equal(last[o.stderr.maxLines-5:o.stderr.maxLines-2], want) {
		t.Errorf("%q, want %q before the last two", last[o.stderr.maxLines-5:], want)
	}
	if cut := last[o.stderr.maxLines-2]; !strings.HasPrefix(cut, "?xxx") || !strings.HasSuffix(cut, "x ...") || len(cut) > o.stderr.maxBytes+10 {
		t.Errorf("a long line of bad UTF-8 is kept as %q", cut)
	}
	if last[o.stderr.maxLines-1] != "no end" {
		t.Errorf("last line %q", last[o.stderr.maxLines-1])
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "worker-1.log"))
	if err != nil {
		t.Fatal(err)
	}
	if want := in.String() + printed; string(log) != want || forward.String() != want {
		t.Errorf("log and forwarded copy differ from the input")
	}
	if got, want := o.bytes.Load(), int64(len(in.String())+len(printed)); got != want {
		t.Errorf("%d bytes counted, want %d", got, want)
	}
}

func TestOutputBreaksEndlessLines(t *testing.T) {
	var forward bytes.Buffer
	o := openOutput(logPlaces("", t.TempDir(), "x", noEnv), &forward, testLog())
	endless := strings.Repeat("y", 3*longestLine+7)
	o.copyFrom(strings.NewReader(endless), o.stderr)
	if forward.String() != endless {
		t.Errorf("%d bytes came through, want %d", forward.Len(), len(endless))
	}
}

func TestOutputFallsBackToTheFilesFolder(t *testing.T) {
	files := t.TempDir()
	file := filepath.Join(files, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"": files, filepath.Join(file, "below"): files} {
		o := openOutput(logPlaces(dir, files, "ps-0", noEnv), &bytes.Buffer{}, testLog())
		if o.path != filepath.Join(want, "tfos-ps-0.log") {
			t.Errorf("dir %q: log %q", dir, o.path)
		}
	}
	o := openOutput(logPlaces("", filepath.Join(file, "below"), "ps-0", noEnv), &bytes.Buffer{}, testLog())
	o.copyFrom(strings.NewReader("still read\n"), o.stderr)
	if o.path != "" || len(o.stderr.lastLines()) != 1 {
		t.Errorf("without a log: path %q, lines %q", o.path, o.stderr.lastLines())
	}
}

// Lines that TensorFlow 2.19 writes at every import are not kept as last lines. Lines of
// the program are, and so are TensorFlow's lines about the GPU itself.
func TestOutputLeavesStartupNoiseOut(t *testing.T) {
	noise := `2026-11-29 01:32:44.911323: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find cuda drivers on your machine, GPU will not be used.
2026-11-29 01:32:44.979202: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:467] Unable to register cuFFT factory: Attempting to register factory for plugin cuFFT when one has already been registered
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
E0000 00:00:1795915965.107395   10387 cuda_dnn.cc:8579] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered
E0000 00:00:1795915965.130832   10387 cuda_blas.cc:1407] Unable to register cuBLAS factory: Attempting to register factory for plugin cuBLAS when one has already been registered
W0000 00:00:1795915965.232583   10387 computation_placer.cc:177] computation placer already registered. Please check linkage and avoid linking the same target more than once.
2026-11-29 01:32:45.281605: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results due to floating-point round-off errors from different computation orders. To turn them off, set the environment variable TF_ENABLE_ONEDNN_OPTS=0.
2026-11-29 01:32:45.281605: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
2026-11-29 01:32:46.281605: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT
`
	o := openOutput(logPlaces(t.TempDir(), t.TempDir(), "worker-0", noEnv), &bytes.Buffer{}, testLog())
	said := []string{"ValueError: oneDNN is what I like", "failed to allocate 8 GiB on GPU:0"}
	o.copyFrom(strings.NewReader(noise+said[0]+"\n"+noise+said[1]+"\n"), o.stderr)
	if last := o.stderr.lastLines(); !slices.Equal(last, said) {
		t.Errorf("last lines %q, want %q", last, said)
	}
	log, err := os.ReadFile(o.path)
	if err != nil || !strings.Contains(string(log), "cuda_dnn") {
		t.Errorf("the log lacks them: %v", err)
	}
}

// absl and Python's faulthandler write long stacks after the line that says why.
func TestTheFatalLineIsKept(t *testing.T) {
	fatal := "F0000 00:00:1.1 7 tensor.cc:733] Check failed: dtype() == expected"
	stacks := strings.Repeat("    @ 0x7f tensorflow::Tensor::matrix()\n", 100)
	for _, in := range []string{fatal + "\n" + stacks, stacks + fatal + "\n" + stacks, stacks + fatal + "\n"} {
		o := openOutput(logPlaces("", t.TempDir(), "x", noEnv), &bytes.Buffer{}, testLog())
		o.copyFrom(strings.NewReader(in), o.stderr)
		last := o.stderr.lastLines()
		if found := slices.Index(last, fatal); found < 0 || slices.Contains(last[found+1:], fatal) || len(last) > o.stderr.maxLines+1 {
			t.Errorf("%q", last)
		}
		o.copyFrom(strings.NewReader(in), o.stdout)
		if out := o.stdout.lastLines(); len(out) != o.stdout.maxLines {
			t.Errorf("%d lines of standard output", len(out))
		}
	}
}

func TestATitleHasALineOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	o := openOutput(logPlaces(dir, t.TempDir(), "x", noEnv), &bytes.Buffer{}, testLog())
	o.writeTitle("run")
	o.copyFrom(strings.NewReader("accuracy 0.9"), o.stdout)
	o.writeTitle("succeeded")
	o.writeTitle("again")
	log, err := os.ReadFile(filepath.Join(dir, "x.log"))
	if want := "--- run\naccuracy 0.9\n--- succeeded\n--- again\n"; err != nil || string(log) != want {
		t.Errorf("%q, want %q", log, want)
	}
}

func noEnv(string) string { return "" }

// TestLogPlaces: a container of YARN keeps its logs in a folder of their own, which a page
// shows. LOG_DIRS alone is somebody else's.
func TestLogPlaces(t *testing.T) {
	container := map[string]string{"CONTAINER_ID": "container_1", "LOG_DIRS": "/logs/a/container_1,/logs/b/container_1", "NM_HOST": "h", "NM_HTTP_PORT": "8042", "USER": "ann"}
	own := logPlace{"/w/tfos-ps-0.log", "/w/tfos-ps-0.log"}
	for _, c := range []struct {
		dir  string
		env  map[string]string
		want []logPlace
	}{
		{"", nil, []logPlace{own}},
		{"/r/logs", nil, []logPlace{{"/r/logs/ps-0.log", "/r/logs/ps-0.log"}, own}},
		{"", container, []logPlace{{"/logs/a/container_1/tfos-ps-0.log", "http://h:8042/node/containerlogs/container_1/ann/tfos-ps-0.log"}, own}},
		{"", map[string]string{"LOG_DIRS": "/x"}, []logPlace{own}},
	} {
		if got := logPlaces(c.dir, "/w", "ps-0", func(name string) string { return c.env[name] }); !slices.Equal(got, c.want) {
			t.Errorf("%q, %v: %q, want %q", c.dir, c.env, got, c.want)
		}
	}
}
