package job

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tfos/internal/feed"
	"tfos/internal/model"
	"tfos/internal/train"
)

func graphPlan(t *testing.T, sets ...string) *Plan {
	t.Helper()
	p, err := MakePlan(spec(t, Train, graphBase, sets...), testEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func requestOf(t *testing.T, p *Plan) (r train.Request) {
	t.Helper()
	if err := json.Unmarshal(p.Reserve.Train, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A request has all that the job says, and the defaults of what it does not say.
func TestTrainRequest(t *testing.T) {
	least := train.Request{
		Graph: "/jobs/g", TagSet: []string{"serve"}, TrainSignature: "train", Strategy: train.AllReduce, BatchSize: 100,
		EverySteps: 500, Keep: 5, OnNonFinite: train.FailNonFinite, Protocol: "grpc", Threads: 1,
	}
	if got := requestOf(t, graphPlan(t)); !reflect.DeepEqual(got, least) {
		t.Errorf("%+v\nwant %+v", got, least)
	}
	all := train.Request{
		Graph: "/jobs/g", TagSet: []string{"train", "gpu"}, TrainSignature: "step", EvalSignature: "score", Strategy: train.AllReduce,
		InputMapping: map[string]string{"a": "x", "b": "y"}, AllowNarrowing: true, BatchSize: 32, Steps: 1000, ModelDir: "/jobs/m", InitFrom: "/jobs/old",
		EverySteps: 10, Keep: 2, OnNonFinite: train.SkipNonFinite, Export: "/jobs/tfos-digits-1.e", Protocol: "rdma", Threads: 3,
		EarlyStopping: &train.EarlyStopping{Metric: "accuracy", Mode: "max", Patience: 7, MinDelta: 0.25},
	}
	sets := []string{
		"app.graph.train_signature=step", "app.graph.eval_signature=score", "app.graph.init_from=old", "tag_set=[train, gpu]",
		"input={train: {path: a}, validation: {path: b}}", "input_mapping={a: x, b: y}", "batch_size=32", "steps=1000", "model_dir=m",
		"checkpoint={every_steps: 10, keep: 2}", "on_non_finite=skip", "export_dir=e", "protocol=rdma", "resources.worker.cores=3",
		"allow_narrowing=true",
		"early_stopping={metric: accuracy, mode: max, patience: 7, min_delta: 0.25}",
	}
	if got := requestOf(t, graphPlan(t, sets...)); !reflect.DeepEqual(got, all) {
		t.Errorf("%+v\nwant %+v", got, all)
	}
	if p := graphPlan(t, "export_dir=e"); p.Reserve.Outputs[0].Kind != "saved_model" {
		t.Errorf("the export is any %s", p.Reserve.Outputs[0].Kind)
	}
	if got := requestOf(t, graphPlan(t, "input={train: {path: a}, validation: {path: b}}")); got.EvalSignature != "evaluate" {
		t.Errorf("validation rows go to signature %q", got.EvalSignature)
	}
	if got := requestOf(t, graphPlan(t, "app.graph.path=g.meta")); got.TagSet != nil {
		t.Errorf("a .meta file has tags %v", got.TagSet)
	}
}

// TestGraphProtocol: TensorFlow's servers get the protocol where there are any.
func TestGraphProtocol(t *testing.T) {
	for _, sets := range [][]string{nil, {"strategy=parameter_server", "num_ps=1"}} {
		if got := requestOf(t, graphPlan(t, append(sets, "protocol=grpc+verbs")...)).Protocol; got != "grpc+verbs" {
			t.Errorf("%v: protocol %s", sets, got)
		}
	}
}

// Every trainer must succeed. Validation rows go to the evaluator, without one to the
// chief; independent workers have a share each.
func TestGraphMembers(t *testing.T) {
	const data = "input={train: {path: a}, validation: {path: b}}"
	for _, c := range []struct {
		sets []string
		want string
	}{
		{nil, "worker:0! train, worker:1! train"},
		{[]string{data}, "worker:0! validation train, worker:1! train"},
		{[]string{data, "strategy=independent"}, "worker:0! validation train, worker:1! validation train"},
		{[]string{data, "chief=true"}, "chief:0! validation train, worker:0! train"},
		{[]string{data, "evaluator=true", "cluster_size=3", "model_dir=m"}, "worker:0! train, worker:1! train, evaluator:0 validation"},
		{[]string{data, "strategy=parameter_server", "num_ps=1", "cluster_size=3"}, "ps:0, worker:0! validation train, worker:1! train"},
		{[]string{"strategy=parameter_server", "num_ps=1", "chief=true", "cluster_size=3"}, "ps:0, chief:0! train, worker:0! train"},
		{[]string{"input_mode=tensorflow", data}, "worker:0! validation train, worker:1! train"},
		{[]string{"strategy=parameter_server", "num_ps=1", "chief=true", "evaluator=true", "cluster_size=4", "model_dir=m", data, "local=true"}, "worker:0! validation train"},
	} {
		var members []string
		for _, m := range graphPlan(t, c.sets...).Reserve.Members {
			text := fmt.Sprintf("%s:%d", m.Job, m.Index)
			if m.Required {
				text += "!"
			}
			members = append(members, strings.Join(append([]string{text}, m.Feeds...), " "))
		}
		if got := strings.Join(members, ", "); got != c.want {
			t.Errorf("%v: %s\nwant %s", c.sets, got, c.want)
		}
	}
	warnings := spec(t, Train, graphBase, "strategy=parameter_server", "num_ps=1", "chief=true", "cluster_size=3", "model_dir=m").Warnings()
	if slices.ContainsFunc(warnings, func(f Fault) bool { return f.Path == "chief" }) {
		t.Errorf("a graph's chief schedules nothing: %v", warnings)
	}
}

// What members read themselves is in the configuration of work, not of the driver, and
// their queues know epochs and quota as those of feeds do.
func TestShards(t *testing.T) {
	p := graphPlan(t, "input_mode=tensorflow", "input={train: {path: a, format: csv, options: {header: 'true'}}, validation: {path: b}}",
		"epochs=3", "steps=20", "batch_size=10", "readers=4", "input_mapping={c: x}", "shuffle={buffer: 50, seed: 2}")
	if len(p.Feeds) != 0 || p.TaskCPUs != 1 || p.Submission.ExecutorCores != 1 {
		t.Errorf("Spark feeds %v, %d task cpus, %d cores", p.Feeds, p.TaskCPUs, p.Submission.ExecutorCores)
	}
	want := []feed.Config{
		{Name: "validation", QueueBytes: queueBytes, BatchRows: 10, Epochs: 1, Mapping: [][2]string{{"c", "x"}}},
		{Name: "train", QueueBytes: queueBytes, BatchRows: 10, Epochs: 3, Mapping: [][2]string{{"c", "x"}}, Synchronous: true,
			QuotaRows: map[string]int64{"worker:0": 200, "worker:1": 200}, ShuffleRows: 50, ShuffleSeed: 2},
	}
	if !reflect.DeepEqual(p.Node.Feeds, want) {
		t.Errorf("%+v\nwant %+v", p.Node.Feeds, want)
	}
	shards, err := json.Marshal(p.Reserve.Shards)
	if err != nil {
		t.Fatal(err)
	}
	const wantShards = `[{"feed":"validation","input":{"format":"parquet","path":"/jobs/b"},"columns":["c"],"readers":4},` +
		`{"feed":"train","input":{"format":"csv","path":"/jobs/a","options":{"header":"true"}},"columns":["c"],"readers":4}]`
	if string(shards) != wantShards {
		t.Errorf("%s\nwant %s", shards, wantShards)
	}
	if got := p.Reserve.Feeds; len(got) != 2 || got[1].Epochs != 3 || !got[1].Synchronous || got[1].Cached {
		t.Errorf("the reservation server's feeds are %+v", got)
	}
}

// TestColumns: only columns that the graph needs are read, where the job names none and
// they are known.
func TestColumns(t *testing.T) {
	env := testEnvironment
	env.Columns = ColumnsOf([]model.Line{
		{Role: "train", Column: "b"}, {Role: "train", Column: "a"}, {Role: "train", Column: "a"}, {Role: "train"}, {Role: "validation", Column: "v"},
	})
	for _, c := range []struct {
		set               string
		train, validation []string
	}{
		{"steps=9", []string{"b", "a"}, []string{"v"}},
		{"input_mode=tensorflow", []string{"b", "a"}, []string{"v"}},
		{"input_mapping={c: x}", []string{"c"}, []string{"c"}},
	} {
		p, err := MakePlan(spec(t, Train, graphBase, "input={train: {path: a}, validation: {path: b}}", c.set), env)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, f := range p.Feeds {
			got[f.Name] = f.Columns
		}
		for _, s := range p.Reserve.Shards {
			got[s.Feed] = s.Columns
		}
		if want := map[string][]string{"train": c.train, "validation": c.validation}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", c.set, got, want)
		}
	}
	p, err := MakePlan(spec(t, Train, trainBase), env) // whose program takes all
	if err != nil || p.Feeds[0].Columns != nil {
		t.Errorf("a Python program gets %v, %v", p.Feeds[0].Columns, err)
	}
}

// Without Spark tfos-node reads the files, whatever the job says for Spark.
func TestLocalTraining(t *testing.T) {
	p := graphPlan(t, "local=true", "feeder=pipe", "input={path: a, format: csv, options: {header: 'true'}}", "steps=7", "strategy=parameter_server", "num_ps=1")
	if f := p.Feeds[0]; f.ReadBy != byExecutor || f.Balance != "equal" {
		t.Errorf("read by %s, balance %s", f.ReadBy, f.Balance)
	}
	if got := p.Node.Feeds[0].QuotaRows["worker:0"]; got != 700 {
		t.Errorf("quota %d rows", got)
	}
	if got := requestOf(t, p); got.Strategy != train.Independent || got.Threads != 4 {
		t.Errorf("strategy %s, %d threads", got.Strategy, got.Threads)
	}
	want := []string{"cluster_size", "feeder", "num_ps", "strategy"}
	if !slices.Equal(p.summary.leftAside, want) {
		t.Errorf("left aside: %v", p.summary.leftAside)
	}
}
