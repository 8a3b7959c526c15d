package model

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"google.golang.org/protobuf/proto"
)

// devices returns the devices of a program's nodes, short: "ps:1".
func devices(t *testing.T, p *TrainingProgram) map[string]string {
	t.Helper()
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(p.Graph, def); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, n := range def.GetNode() {
		found[n.GetName()] = strings.NewReplacer("/job:", "", "/replica:0", "", "/task", "").Replace(n.GetDevice())
	}
	return found
}

func TestPlacement(t *testing.T) {
	two := []testVariable{{name: "a", shape: []int64{100}}, {name: "a/m", slotOf: "a", shape: []int64{100}}, {name: "b", shape: []int64{150}}, {name: "c", shape: []int64{40}}}
	pinned := []testVariable{{name: "a", device: "/job:worker/task:1/device:CPU:0"}, {name: "a/m", slotOf: "a"}, {name: "b", device: "/job:ps"}, {name: "c", device: "/device:CPU:0"}}
	served := map[string]int{"ps": 2, "worker": 2}
	tests := map[string]struct {
		variables []testVariable
		strategy  Strategy
		cluster   Cluster
		want      map[string]string
		filters   string
	}{
		"alone":     {two, Independent, Cluster{Job: "worker"}, map[string]string{"a": "", "step": "", "tfos/initialized/all": ""}, ""},
		"evaluator": {pinned, ParameterServer, Cluster{Job: "evaluator"}, map[string]string{"a": "", "step": ""}, ""},
		"servers": {two, ParameterServer, Cluster{Tasks: served, Job: "worker", Task: 1},
			map[string]string{"a": "ps:0", "a/m": "ps:0", "b": "ps:1", "c": "ps:1", "step": "worker:1", "save/all": "worker:1", "tfos/finished": "ps:0", "tfos/finished/add": "worker:1"},
			"/job:ps/task:0 /job:ps/task:1 /job:worker/task:1"},
		"author's": {pinned, ParameterServer, Cluster{Tasks: served, Job: "worker"},
			map[string]string{"a": "worker:1", "a/m": "worker:1", "b": "ps:1", "c": "ps:1", "global_step": "ps:0", "step": "worker:0"}, "/job:ps/task:0 /job:ps/task:1 /job:worker/task:0 /job:worker/task:1"},
		"chief": {two, ParameterServer, Cluster{Tasks: map[string]int{"ps": 1, "chief": 1, "worker": 1}, Job: "chief"},
			map[string]string{"a": "ps:0", "b": "ps:0", "step": "chief:0"}, "/job:chief/task:0 /job:ps/task:0"},
		"all_reduce": {two, AllReduce, Cluster{Tasks: map[string]int{"worker": 2}, Job: "worker", Task: 1},
			map[string]string{"a": "worker:1", "b": "worker:1", "step": "worker:1"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pb := trainable(test.variables...)
			pb.SignatureDef["train_all_reduce"] = proto.CloneOf(pb.SignatureDef["train"])
			pb.SignatureDef["train_all_reduce"].Inputs[groupSizeAlias] = info("group_size:0", Int32)
			training, err := openTraining(t, pb, TrainingSource{Strategy: test.strategy})
			if err != nil {
				t.Fatal(err)
			}
			program, err := training.Program(test.cluster, ProgramOptions{})
			if err != nil {
				t.Fatal(err)
			}
			have := devices(t, program)
			for _, node := range slices.Sorted(maps.Keys(test.want)) {
				if got, there := have[node]; !there || got != test.want[node] {
					t.Errorf("%s is on %q, want %q", node, got, test.want[node])
				}
			}
			if got := strings.Join(program.Filters, " "); got != test.filters {
				t.Errorf("filters %s", got)
			}
			if split := program.Joining != nil; split != (name == "author's") {
				t.Errorf("split %v", split)
			}
			if (program.Finish != "") != (len(test.cluster.Tasks) > 0 && test.strategy == ParameterServer) {
				t.Errorf("finish %q", program.Finish)
			}
		})
	}
}

// A device that the cluster lacks is an error with the variable, the device and a remedy.
func TestPlacementNamesWhatTheClusterLacks(t *testing.T) {
	for device, cluster := range map[string]Cluster{
		"/job:ps/task:2":     {Tasks: map[string]int{"ps": 2, "worker": 1}, Job: "worker"},
		"/job:chief":         {Tasks: map[string]int{"ps": 1, "worker": 1}, Job: "worker"},
		"/job:worker/task:1": {Job: "worker"},
		"/job:ps/task:0":     {Job: "worker"},
	} {
		training, err := openTraining(t, trainable(testVariable{name: "w", device: device}), TrainingSource{Strategy: ParameterServer})
		if err != nil {
			t.Fatal(err)
		}
		_, err = training.Program(cluster, ProgramOptions{})
		var refused *ModelError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "the variable w (VarHandleOp) is on device "+device+", and the cluster ") || refused.Remedy == "" {
			t.Errorf("%s: %v", device, err)
		}
	}
}

// Operations in functions keep an author's task, and go to the variable that their _class
// names. The graph is then split over trainers.
func TestPlacementInFunctions(t *testing.T) {
	pb := trainable(testVariable{name: "w"})
	class := map[string]*attrpb.AttrValue{classAttr: {Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{S: [][]byte{[]byte("loc:@w")}}}}}
	pb.GraphDef.Library = &functionpb.FunctionDefLibrary{Function: []*functionpb.FunctionDef{{
		Signature: &oppb.OpDef{Name: "Step"},
		NodeDef: []*nodepb.NodeDef{{Name: "far", Op: "MatMul", Device: "/job:worker/task:1/device:CPU:0"}, {Name: "update", Op: "Mul", Attr: class},
			{Name: "near", Op: "MatMul", Device: "/device:CPU:0"}},
	}}}
	training, err := openTraining(t, pb, TrainingSource{Strategy: ParameterServer})
	if err != nil {
		t.Fatal(err)
	}
	for task := range 2 {
		program, err := training.Program(Cluster{Tasks: map[string]int{"ps": 1, "worker": 2}, Job: "worker", Task: task}, ProgramOptions{})
		if err != nil {
			t.Fatal(err)
		}
		def := &graphpb.GraphDef{}
		if err := proto.Unmarshal(program.Graph, def); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, n := range def.GetLibrary().GetFunction()[0].GetNodeDef() {
			have = append(have, n.GetDevice())
		}
		if !slices.Equal(have, []string{"/job:worker/replica:0/task:1", "/job:ps/replica:0/task:0", ""}) {
			t.Errorf("devices %q", have)
		}
		if program.Joining.Join == "" {
			t.Errorf("worker %d: not split", task)
		}
	}
}

// TestCollectivesAreOnCPUs: members with and without a GPU are one group, of CPUs. All other
// operations are where TensorFlow's placer wants them.
func TestCollectivesAreOnCPUs(t *testing.T) {
	pb := trainable(testVariable{name: "w"})
	pb.GraphDef.Library = &functionpb.FunctionDefLibrary{Function: []*functionpb.FunctionDef{{
		Signature: &oppb.OpDef{Name: "Step"},
		NodeDef: []*nodepb.NodeDef{{Name: "product", Op: "MatMul", Device: "/device:GPU:0"}, {Name: "sum", Op: "CollectiveReduceV2"},
			{Name: "rows", Op: "CollectiveGatherV2", Device: "/device:GPU:0"}},
	}}}
	pb.GraphDef.Node = append(pb.GraphDef.Node, &nodepb.NodeDef{Name: "group_size", Op: "Placeholder", Attr: map[string]*attrpb.AttrValue{"dtype": typeAttr(Int32)}})
	signature := pb.SignatureDef["train"]
	signature.Inputs[groupSizeAlias] = info("group_size:0", Int32)
	pb.SignatureDef["train"+allReduceSuffix] = signature
	training, err := openTraining(t, pb, TrainingSource{Strategy: AllReduce})
	if err != nil {
		t.Fatal(err)
	}
	program, err := training.Program(Cluster{Tasks: map[string]int{"worker": 2}, Job: "worker", Task: 1}, ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(program.Graph, def); err != nil {
		t.Fatal(err)
	}
	const member = "/job:worker/replica:0/task:1"
	collectives := 0
	for _, n := range def.GetNode() {
		want := member
		if strings.HasPrefix(n.GetOp(), "Collective") {
			collectives++
			want += "/device:CPU:0"
		}
		if n.GetDevice() != want {
			t.Errorf("%s (%s) is on %q, not %q", n.GetName(), n.GetOp(), n.GetDevice(), want)
		}
	}
	if collectives == 0 {
		t.Error("the members have no way to stop together")
	}
	for i, want := range []string{"", "/device:CPU:0", "/device:CPU:0"} {
		if n := def.GetLibrary().GetFunction()[0].GetNodeDef()[i]; n.GetDevice() != want {
			t.Errorf("in a function: %s (%s) is on %q, not %q", n.GetName(), n.GetOp(), n.GetDevice(), want)
		}
	}
}

func TestParameterServersAreNeeded(t *testing.T) {
	training, err := openTraining(t, trainable(testVariable{name: "w"}), TrainingSource{Strategy: ParameterServer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := training.Program(Cluster{Tasks: map[string]int{"worker": 2}, Job: "worker"}, ProgramOptions{}); err == nil || !strings.Contains(err.Error(), "set num_ps") {
		t.Error(err)
	}
}
