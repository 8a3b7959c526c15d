package job

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/gpu"
)

// TestGPUsOfPlan: who gives the devices, what Spark is asked for, and what each role gets.
func TestGPUsOfPlan(t *testing.T) {
	const ps = "spark.executor.resource.gpu."
	for _, c := range []struct {
		master string
		source gpu.Source
		amount string
		script string
		ships  bool
	}{
		{"local[8]", gpu.Host, "", "", false},
		{"local-cluster[4,3,1024]", gpu.Host, "", "", false},
		{"spark://h:1", gpu.Spark, "2", "", false},
		{"yarn", gpu.Container, "2", "./tfos-gpus.sh", true},
		{"k8s://https://h:1", gpu.Container, "2", "/opt/spark/examples/src/main/scripts/getGpusResources.sh", false},
	} {
		s := spec(t, Train, base(Train), "spark.master='"+c.master+"'", "strategy=parameter_server", "cluster_size=4", "num_ps=1", "evaluator=true", "resources.worker.gpus=2")
		p, err := MakePlan(s, testEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		sub := p.Submission
		if p.Node.GPUs != c.source || sub.Conf[ps+"amount"] != c.amount || sub.Conf[ps+"discoveryScript"] != c.script || sub.Conf["spark.task.resource.gpu.amount"] != "" {
			t.Errorf("%s: %s, %v", c.master, p.Node.GPUs, sub.Conf)
		}
		if want := len(c.amount) > 0; (p.TaskGPUs == 2) != want || (p.TaskGPUs == 0) == want {
			t.Errorf("%s: a member's task asks for %d", c.master, p.TaskGPUs)
		}
		argv := p.SparkSubmit("spark-submit")
		if shipped := slices.Contains(argv, filepath.Join(testEnvironment.Scratch, "tfos-gpus.sh")); shipped != c.ships || argv[len(argv)-1] != sub.PlanFile {
			t.Errorf("%s: %q", c.master, argv)
		}
		for role, want := range map[string]int{"ps": 0, "worker": 2, "evaluator": 0} {
			if got := p.Node.Roles[role].GPUs; got != want {
				t.Errorf("%s: %s has %d", c.master, role, got)
			}
		}
		var idle []string
		for _, w := range s.Warnings() {
			if strings.Contains(w.Error(), "idle beside") {
				idle = append(idle, w.Path)
			}
		}
		if want := []string{"resources.evaluator.gpus", "resources.ps.gpus"}; (c.amount != "") != slices.Equal(idle, want) {
			t.Errorf("%s: idle GPUs of %q", c.master, idle)
		}
	}
	// A graph program asks for devices as a Python program does.
	graph, err := MakePlan(spec(t, Train, base(Train), "app={graph: {path: g}}", "spark.master=yarn", "resources.worker.gpus=1"), testEnvironment)
	if err != nil || graph.TaskGPUs != 1 || graph.Submission.Conf[ps+"amount"] != "1" || graph.Node.GPUs != gpu.Container || graph.Node.Roles["worker"].GPUs != 1 {
		t.Errorf("a graph program: %+v, %v", graph, err)
	}
	// The user's own script goes before.
	p, err := MakePlan(spec(t, Train, base(Train), "spark.master=yarn", "resources.worker.gpus=1", "spark.conf."+ps+"discoveryScript=/mine"), testEnvironment)
	if err != nil || p.Submission.GPUScript != "" || p.Submission.Conf[ps+"discoveryScript"] != "/mine" {
		t.Errorf("%+v, %v", p.Submission, err)
	}
}

// TestGPUScript: the discovery script prints the devices as Spark reads them. It fails if there
// is none because nvidia-smi fails.
func TestGPUScript(t *testing.T) {
	const lost = "Unable to determine the device handle for gpu 0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU\n"
	for list, want := range map[string][]string{
		lost + "GPU 1: A (UUID: GPU-b)\n": {"GPU-b"},
		lost:                              nil,
		"GPU 0: NVIDIA GeForce RTX 3090 (rev. 2) (UUID: GPU-a-1)\nGPU 1: A (UUID: GPU-b-2)\n":                                                                   {"GPU-a-1", "GPU-b-2"},
		"GPU 0: A (UUID: GPU-a)\nGPU 1: A (UUID: GPU-b)\n  MIG 3g.20gb Device 0: (UUID: MIG-c)\n  MIG 1g.5gb Device 1: (UUID: MIG-d)\nGPU 2: A (UUID: GPU-e)\n": {"GPU-a", "MIG-c", "MIG-d", "GPU-e"},
		"No devices were found\n": {},
	} {
		bin, status := t.TempDir(), 0
		if strings.HasPrefix(list, lost) {
			status = 15
		}
		for name, text := range map[string][]byte{"nvidia-smi": []byte(fmt.Sprintf("#!/bin/sh\ncat <<'END'\n%sEND\nexit %d\n", list, status)), "script": GPUScript} {
			if err := os.WriteFile(filepath.Join(bin, name), text, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(filepath.Join(bin, "script"))
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if want == nil {
			if err == nil {
				t.Errorf("%s: %s", list, out)
			}
			continue
		}
		var found struct {
			Name      string
			Addresses []string
		}
		if err == nil {
			err = json.Unmarshal(out, &found)
		}
		if err != nil || found.Name != "gpu" || !slices.Equal(found.Addresses, want) {
			t.Errorf("%s: %s, %v", list, out, err)
		}
	}
	cmd := exec.Command("sh")
	cmd.Stdin, cmd.Env = strings.NewReader(string(GPUScript)), []string{"PATH=/nowhere"}
	if out, err := cmd.Output(); err == nil {
		t.Errorf("without nvidia-smi: %s", out)
	}
}
