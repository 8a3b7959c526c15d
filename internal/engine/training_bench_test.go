package engine_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/engine"
	"tfos/internal/model"
)

// BenchmarkStep is steps of the MLP 784-128-10 with Adam, in batches of 128, on one
// member: from Arrow rows, from tensors that are made once, and driven by Python from
// numpy arrays, with TensorFlow's choice of threads.
func BenchmarkStep(b *testing.B) {
	needTensorFlow(b)
	path := filepath.Join(b.TempDir(), "bench")
	out, err := exec.Command(python(), "testdata/training.py", path, "--bench").Output()
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var rate, cpuRate float64
	if _, err := fmt.Sscan(lines[len(lines)-1], &rate, &cpuRate); err != nil {
		b.Fatal(err)
	}
	rows, err := readBatches(path + ".arrow")
	if err != nil {
		b.Fatal(err)
	}
	source := model.TrainingSource{Graph: path, Train: "train", Strategy: model.Independent}
	read, err := source.Open()
	if err != nil {
		b.Fatal(err)
	}
	graph, err := engine.OpenTraining(b.Context(), read, engine.TrainingOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer graph.Close()
	if _, err := graph.Begin(b.Context()); err != nil {
		b.Fatal(err)
	}
	step := func(i int) error {
		_, _, err := graph.Step(b.Context(), rows[i%len(rows)])
		return err
	}
	constant, free, err := engine.ConstantStep(graph, rows[0])
	if err != nil {
		b.Fatal(err)
	}
	defer free()
	for name, run := range map[string]func(int) error{"rows": step, "constant": func(int) error { return constant() }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuSeconds(b)
			for i := 0; b.Loop(); i++ {
				if err := run(i); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
			b.ReportMetric(float64(b.N)/(cpuSeconds(b)-before), "steps/cpu-s")
			b.ReportMetric(rate, "python-steps/s")
			b.ReportMetric(cpuRate, "python-steps/cpu-s")
		})
	}
}
