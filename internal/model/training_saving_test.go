package model

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// constantsOf returns the texts of a program's constant.
func constantsOf(t *testing.T, p *TrainingProgram, name string) (texts []string) {
	t.Helper()
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(p.Graph, def); err != nil {
		t.Fatal(err)
	}
	for _, text := range newFlow(def).constantTexts(name) {
		texts = append(texts, string(text))
	}
	return texts
}

// Under parameter servers each device saves and restores its variables. If it cannot,
// the graph's own saver does it.
func TestEachServerSavesItsVariables(t *testing.T) {
	training, err := openTraining(t, trainable(testVariable{name: "a", shape: []int64{100}}, testVariable{name: "b", shape: []int64{150}}), TrainingSource{Strategy: ParameterServer})
	if err != nil {
		t.Fatal(err)
	}
	program, err := training.Program(Cluster{Tasks: map[string]int{"ps": 2, "worker": 1}, Job: "worker"}, ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	have := devices(t, program)
	for node, want := range map[string]string{"tfos/shards/0/save": "ps:0", "tfos/shards/1/save": "ps:1", "tfos/shards/0/restore_all/values": "ps:0",
		"tfos/shards/1/there": "ps:1", "tfos/shards/here": "worker:0", "tfos/shards/merge": "worker:0"} {
		if have[node] != want {
			t.Errorf("%s is on %q, want %q", node, have[node], want)
		}
	}
	for node, want := range map[string][]string{"tfos/shards/0/keys": {"b/key"}, "tfos/shards/1/restore_all/keys": {"a/key", "global_step/key"}} {
		if keys := constantsOf(t, program, node); !slices.Equal(keys, want) {
			t.Errorf("%s has %q, want %q", node, keys, want)
		}
	}
	want := Step{Feeds: map[string]string{"tfos/shards/filename:0": "here"}, Targets: []string{"tfos/shards/merge"},
		Fallback: &Step{Feeds: map[string]string{"save/filename:0": "here"}, Targets: []string{"save/save"}}}
	if step := program.SaveStep("here"); !reflect.DeepEqual(step, want) {
		t.Errorf("save %+v", step)
	}
	prefix := filepath.Join(t.TempDir(), "ckpt")
	writeKeys(t, prefix, "a/key", "b/key", "global_step/key")
	for i := range training.variables {
		training.variables[i].shape, training.variables[i].dtype = nil, Float32
	}
	steps, err := program.RestoreSteps(prefix)
	if err != nil || steps[0].Targets[0] != "tfos/shards/restore_all" || steps[0].Fallback == nil || steps[0].Fallback.Targets[0] != "save/all" {
		t.Errorf("restore %+v, %v", steps, err)
	}
}

// A saver that saves something else is used as it is, and so is that of one member.
func TestGraphsOwnSaverStays(t *testing.T) {
	save := func(pb *corepb.MetaGraphDef) []string { return pb.GraphDef.Node[len(pb.GraphDef.Node)-1].Input }
	for name, change := range map[string]func(*corepb.MetaGraphDef){
		"a step's output":    func(pb *corepb.MetaGraphDef) { save(pb)[3] = "step:3" },
		"another's value":    func(pb *corepb.MetaGraphDef) { save(pb)[3] = save(pb)[4] },
		"a variable is left": func(pb *corepb.MetaGraphDef) { pb.GraphDef.Node[len(pb.GraphDef.Node)-1].Input = save(pb)[:4] },
		"nothing":            func(pb *corepb.MetaGraphDef) {},
	} {
		pb := trainable(testVariable{name: "a", shape: []int64{100}})
		change(pb)
		training, err := openTraining(t, pb, TrainingSource{Strategy: ParameterServer})
		if err != nil {
			t.Fatal(err)
		}
		for _, cluster := range []Cluster{{Job: "worker"}, {Tasks: map[string]int{"ps": 1, "worker": 1}, Job: "worker"}} {
			program, err := training.Program(cluster, ProgramOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if shards := program.SaveStep("here").Fallback != nil; shards != (name == "nothing" && len(cluster.Tasks) > 0) {
				t.Errorf("%s, %v: shards %v", name, cluster, shards)
			}
		}
	}
}
