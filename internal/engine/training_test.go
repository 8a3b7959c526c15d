package engine_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/engine"
	"tfos/internal/model"
	"tfos/internal/train"
)

var _ train.Graph = (*engine.Training)(nil)

// curve is what Python computed: the losses of all steps, each metric's values, and the
// counts of updates.
type curve struct {
	Losses  []float64            `json:"losses"`
	Metrics map[string][]float64 `json:"metrics"`
	Steps   []int64              `json:"steps"`
}

func expected(t testing.TB, name string) curve {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(graphs.folder(t), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c curve
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// batches returns the rows of each step.
func batches(t testing.TB, name string) []arrow.Record {
	t.Helper()
	all, err := readBatches(filepath.Join(graphs.folder(t), name+".arrow"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readBatches returns the record batches of an Arrow file.
func readBatches(path string) ([]arrow.Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		return nil, err
	}
	var all []arrow.Record
	for i := range r.NumRecords() {
		one, err := r.RecordAt(i)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// graphFile returns the path of a graph, a SavedModel or a .meta file.
func graphFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(graphs.folder(t), name)
	if _, err := os.Stat(path + ".meta"); err == nil {
		return path + ".meta"
	}
	return path
}

// training opens a graph to train on one member.
func training(t testing.TB, source model.TrainingSource, o engine.TrainingOptions) *engine.Training {
	t.Helper()
	if source.Train == "" {
		source.Train = "train"
	}
	if source.Strategy == "" {
		source.Strategy = model.Independent
	}
	read, err := source.Open()
	if err != nil {
		t.Fatal(err)
	}
	o.Cluster.Threads = 1
	graph, err := engine.OpenTraining(t.Context(), read, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := graph.Close(); err != nil {
			t.Error(err)
		}
	})
	return graph
}

// begun is training with the graph's first values.
func begun(t testing.TB, name string) *engine.Training {
	t.Helper()
	graph := training(t, model.TrainingSource{Graph: graphFile(t, name)}, engine.TrainingOptions{})
	if ready, err := graph.Initialized(t.Context()); ready || err != nil {
		t.Errorf("before Begin: initialised %v, %v", ready, err)
	}
	if _, err := graph.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ready, err := graph.Initialized(t.Context()); !ready || err != nil {
		t.Errorf("after Begin: initialised %v, %v", ready, err)
	}
	return graph
}

// steps runs batches, and returns each step's losses and counts of updates.
func steps(t testing.TB, graph *engine.Training, rows []arrow.Record) (losses []float64, counts []int64) {
	t.Helper()
	for _, batch := range rows {
		values, count, err := graph.Step(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		losses, counts = append(losses, values[0]), append(counts, count)
	}
	return losses, counts
}

func near(t testing.TB, what string, have, want []float64, tolerance float64) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(have), len(want))
	}
	for i := range have {
		if !(math.Abs(have[i]-want[i]) <= tolerance*(1+math.Abs(want[i]))) {
			t.Fatalf("%s: step %d: have %v, want %v", what, i+1, have[i], want[i])
		}
	}
}

// One member computes what Python computes with the same graph and batches: graphs of
// the helper, by hand, and of TensorFlow 1.
func TestOneMemberTrainsAsPython(t *testing.T) {
	needTensorFlow(t)
	for _, name := range []string{"mlp", "noisy", "shared", "wide", "line", "keras", "ref", "resource", "uncounted"} {
		t.Run(name, func(t *testing.T) {
			want, graph := expected(t, name), begun(t, name)
			found, counts := map[string][]float64{}, []int64{}
			for _, batch := range batches(t, name) {
				values, count, err := graph.Step(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				for i, metric := range graph.Metrics() {
					found[metric] = append(found[metric], values[i])
				}
				counts = append(counts, count)
			}
			if graph.Metrics()[0] != "loss" || len(found) != len(want.Metrics) {
				t.Errorf("metrics %v, want those of %v", graph.Metrics(), want.Metrics)
			}
			for metric, values := range want.Metrics {
				near(t, metric, found[metric], values, 1e-6)
			}
			if !slices.Equal(counts, want.Steps) {
				t.Errorf("counts %v, want %v", counts, want.Steps)
			}
			if n, err := graph.GlobalStep(t.Context()); n != int64(len(counts)) || err != nil {
				t.Errorf("global step %d, %v", n, err)
			}
		})
	}
}

// A checkpoint continues the curve in a new session, and Python reads it.
func TestCheckpointsContinueTheCurve(t *testing.T) {
	needTensorFlow(t)
	folder, saved := t.TempDir(), map[string]string{}
	for name, key := range map[string]string{
		"mlp": "logits/kernel/.ATTRIBUTES/VARIABLE_VALUE", "noisy": "global_step/.ATTRIBUTES/VARIABLE_VALUE",
		"line": "weight/.ATTRIBUTES/VARIABLE_VALUE", "keras": "tfos/global_step", "ref": "net/weight/Adam", "resource": "global_step", "uncounted": "tfos/global_step",
	} {
		t.Run(name, func(t *testing.T) {
			want, rows, half := expected(t, name), batches(t, name), 10
			prefix := filepath.Join(folder, name)
			first := begun(t, name)
			steps(t, first, rows[:half])
			if err := first.Save(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			second := training(t, model.TrainingSource{Graph: graphFile(t, name)}, engine.TrainingOptions{})
			if err := second.Restore(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			if n, err := second.GlobalStep(t.Context()); n != int64(half) || err != nil {
				t.Errorf("global step %d, %v", n, err)
			}
			losses, counts := steps(t, second, rows[half:])
			near(t, "loss", losses, want.Losses[half:], 1e-6)
			if !slices.Equal(counts, want.Steps[half:]) {
				t.Errorf("counts %v", counts)
			}
			saved[prefix] = key
		})
	}
	checkpointsHave(t, saved)
}

// An evaluation computes the same twice, and updates nothing.
func TestEvaluationUpdatesNothing(t *testing.T) {
	needTensorFlow(t)
	for name, metrics := range map[string][]string{"noisy": {"loss", "accuracy"}, "ref": {"loss"}} {
		t.Run(name, func(t *testing.T) {
			graph := training(t, model.TrainingSource{Graph: graphFile(t, name), Eval: "evaluate"}, engine.TrainingOptions{})
			if _, err := graph.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(graph.EvalMetrics(), metrics) {
				t.Errorf("metrics %v", graph.EvalMetrics())
			}
			rows := batches(t, name)
			var found [][]float64
			for range 2 {
				values, err := graph.Evaluate(t.Context(), rows[0])
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, values)
			}
			if !slices.Equal(found[0], found[1]) {
				t.Errorf("evaluations %v", found)
			}
			losses, _ := steps(t, graph, rows)
			near(t, "loss", losses, expected(t, name).Losses, 1e-6)
		})
	}
}

// Rollback gives the exact values back: the same steps follow.
func TestRollbackGivesExactValues(t *testing.T) {
	needTensorFlow(t)
	for _, name := range []string{"mlp", "shared", "ref", "keras"} {
		t.Run(name, func(t *testing.T) {
			graph := training(t, model.TrainingSource{Graph: graphFile(t, name)}, engine.TrainingOptions{Rollback: true})
			if _, err := graph.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			rows := batches(t, name)
			steps(t, graph, rows[:3])
			if err := graph.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			losses, counts := steps(t, graph, rows[3:8])
			if err := graph.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			again, recounts := steps(t, graph, rows[3:8])
			if !slices.Equal(losses, again) || !slices.Equal(counts, recounts) {
				t.Errorf("losses %v, then %v; counts %v, then %v", losses, again, counts, recounts)
			}
		})
	}
	graph := training(t, model.TrainingSource{Graph: graphFile(t, "mlp")}, engine.TrainingOptions{})
	if errors.Join(graph.Snapshot(t.Context()), graph.Rollback(t.Context())) == nil {
		t.Error("rollback works without being asked for")
	}
}

// A checkpoint of another graph is refused, with the names of variables.
func TestRestoreNamesWhatIsMissing(t *testing.T) {
	needTensorFlow(t)
	graph := training(t, model.TrainingSource{Graph: graphFile(t, "mlp")}, engine.TrainingOptions{})
	err := graph.Restore(t.Context(), filepath.Join(graphs.folder(t), "noisy.end"))
	var refused *model.ModelError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "it lacks") || !strings.Contains(err.Error(), "logits/kernel/.ATTRIBUTES/VARIABLE_VALUE (float32 [8,3])") {
		t.Error(err)
	}
}

// Rows that do not fit are named, all of them, and update nothing.
func TestRowsThatDoNotFit(t *testing.T) {
	needTensorFlow(t)
	graph := begun(t, "mlp")
	good := batches(t, "mlp")
	b := array.NewRecordBuilder(memory.DefaultAllocator, good[0].Schema())
	defer b.Release()
	x, y := b.Field(0).(*array.ListBuilder), b.Field(1).(*array.Int64Builder)
	for _, width := range []int{6, 5, 6, 7} {
		x.Append(true)
		x.ValueBuilder().(*array.Float32Builder).AppendValues(make([]float32, width), nil)
		y.Append(1)
	}
	bad := b.NewRecord()
	defer bad.Release()
	_, _, err := graph.Step(t.Context(), bad)
	var rows model.RowErrors
	if !errors.As(err, &rows) || len(rows) != 2 || rows[0].Row != 1 || rows[1].Row != 3 || rows[0].Column != "x" {
		t.Errorf("%v", err)
	}
	losses, _ := steps(t, graph, good)
	near(t, "loss", losses, expected(t, "mlp").Losses, 1e-6)
}

// Steps leave no memory behind: 320 rows are 24 KiB in tensors.
func TestStepsFreeTheirMemory(t *testing.T) {
	needTensorFlow(t)
	graph, rows := begun(t, "wide"), joined(t, batches(t, "wide"))
	defer rows.Release()
	start := 0
	for i := range 6000 {
		if i == 1000 {
			start = collected(t)
		}
		if _, _, err := graph.Step(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	grown := collected(t) - start
	t.Logf("5,000 steps: %d MiB more", grown)
	if grown > 20 {
		t.Errorf("memory grew by %d MiB over 5,000 steps", grown)
	}
}

// joined makes one record of several.
func joined(t *testing.T, rows []arrow.Record) arrow.Record {
	t.Helper()
	var columns []arrow.Array
	total := int64(0)
	for i := range rows[0].Columns() {
		var parts []arrow.Array
		for _, one := range rows {
			parts = append(parts, one.Column(i))
		}
		whole, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		columns, total = append(columns, whole), int64(whole.Len())
	}
	return array.NewRecord(rows[0].Schema(), columns, total)
}

// A training begins with the values of another model that fit its variables, and says
// which. The others, and the optimizer's, are the graph's own.
func TestTrainingBeginsWithOtherValues(t *testing.T) {
	needTensorFlow(t)
	folder := graphs.folder(t)
	suffix := "/.ATTRIBUTES/VARIABLE_VALUE"
	later := func(name string) string { // a checkpoint of the graph after some steps
		prefix, graph := filepath.Join(t.TempDir(), "later"), begun(t, name)
		steps(t, graph, batches(t, name)[:5])
		if err := graph.Save(t.Context(), prefix); err != nil {
			t.Fatal(err)
		}
		return prefix
	}
	reference, byHand := later("ref"), later("keras")
	saved, err := model.Variables(byHand)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(saved, func(v model.Variable) bool {
		return strings.HasPrefix(v.Name, "held/") && slices.Equal(v.Shape, []int64{6, 8})
	})
	if at < 0 {
		t.Fatalf("no kernel in %v", saved)
	}
	kernel := saved[at].Name
	own := func(name string) string { return filepath.Join(folder, name, "variables", "variables") }
	const misfits = "2 of 4 variables begin with values of %; left out: logits/bias (float32 [3] here, float32 [5] there), logits/kernel (float32 [8,3] here, float32 [8,5] there); unused there: "
	var same [][5]string // a checkpoint and its key, another and its key, the case
	for name, test := range map[string]struct {
		graph, from, note string
		same              [][3]string // key, the checkpoint that has the value too, its key
	}{
		"SavedModel of Keras": {"mlp", filepath.Join(folder, "base"), misfits, [][3]string{
			{"hidden/kernel" + suffix, own("base"), "variables/0" + suffix}, {"logits/kernel" + suffix, own("mlp"), "logits/kernel" + suffix}}},
		"checkpoint of Keras": {"mlp", filepath.Join(folder, "based"), misfits, [][3]string{
			{"hidden/kernel" + suffix, filepath.Join(folder, "based", "ckpt-1"), "model/_operations/1/_kernel" + suffix}}},
		"the helper's": {"mlp", filepath.Join(folder, "mlp.end"), "4 of 4 variables begin with values of %; unused there: ", [][3]string{
			{"logits/kernel" + suffix, filepath.Join(folder, "mlp.end"), "logits/kernel" + suffix}, {"global_step" + suffix, own("mlp"), "global_step" + suffix},
			{"adam/hidden_kernel_momentum" + suffix, own("mlp"), "adam/hidden_kernel_momentum" + suffix}}},
		"TensorFlow 1":   {"resource", reference, "2 of 2 variables begin with values of %; unused there: beta1_power, beta2_power, global_step, net/bias/Adam, ", [][3]string{{"net/weight", reference, "net/weight"}}},
		"by object path": {"keras", byHand, "4 of 4 variables begin", [][3]string{{kernel, byHand, kernel}, {kernel, byHand, "optimizer/_trainable_variables/0" + suffix}}},
	} {
		t.Run(name, func(t *testing.T) {
			graph := training(t, model.TrainingSource{Graph: graphFile(t, test.graph), Eval: map[bool]string{true: "evaluate"}[test.graph == "mlp"]}, engine.TrainingOptions{InitFrom: test.from})
			note, err := graph.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(test.note, "%", test.from); !strings.HasPrefix(note, want) {
				t.Errorf("note %q, want %q", note, want)
			}
			prefix := filepath.Join(folder, "begun-"+strings.ReplaceAll(name, " ", "-"))
			if err := graph.Save(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			for _, one := range test.same {
				same = append(same, [5]string{prefix, one[0], one[1], one[2], name})
			}
		})
	}
	checks.ask(t, "equal", same)

	source := model.TrainingSource{Graph: graphFile(t, "line"), Train: "train", Strategy: model.Independent}
	read, err := source.Open()
	if err != nil {
		t.Fatal(err)
	}
	_, err = read.ValuesOf(filepath.Join(folder, "base"))
	if err == nil || !strings.Contains(err.Error(), "none of its values fits a variable of the graph") || !strings.Contains(err.Error(), "weight (not there)") {
		t.Error(err)
	}
}
