package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	variablepb "github.com/wamuir/graft/tensorflow/core/framework/variable_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// testVariable is a variable of a graph that trains.
type testVariable struct {
	name, slotOf, device string
	shape                []int64
}

// trainable returns the graph of a step: the placeholder x, float32 variables with a
// saver, a counter global_step, and the loss, which needs them all.
func trainable(variables ...testVariable) *corepb.MetaGraphDef {
	variables = append(variables, testVariable{name: globalStepName})
	pb := &corepb.MetaGraphDef{MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}}}
	add := func(name, op string, attrs map[string]*attrpb.AttrValue, inputs ...string) *nodepb.NodeDef {
		if pb.GraphDef == nil {
			pb.GraphDef = sample().MetaGraphs[0].GraphDef
			pb.GraphDef.Node = nil
		}
		n := &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs}
		pb.GraphDef.Node = append(pb.GraphDef.Node, n)
		return n
	}
	texts := func(name string, values ...string) string {
		t := &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING, TensorShape: vector(len(values))}
		for _, v := range values {
			t.StringVal = append(t.StringVal, []byte(v))
		}
		pb.GraphDef.Node = append(pb.GraphDef.Node, constant(name, t))
		return name
	}
	open := &attrpb.AttrValue{Value: &attrpb.AttrValue_Shape{Shape: &shapepb.TensorShapeProto{UnknownRank: true}}}
	add("x", "Placeholder", map[string]*attrpb.AttrValue{"dtype": typeAttr(Float32), "shape": open})
	add("save/filename", "Placeholder", map[string]*attrpb.AttrValue{"dtype": typeAttr(String)})
	inputs, restored := []string{"x"}, []string{}
	var keys []string
	var types []typespb.DataType
	for _, v := range variables {
		dtype, shape := Float32, &shapepb.TensorShapeProto{}
		if v.name == globalStepName {
			dtype = Int64
		}
		for _, d := range v.shape {
			shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
		}
		n := variableNode(v.name, dtype, shape)
		n.Device = v.device
		if v.slotOf != "" {
			n.Attr[classAttr] = &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{S: [][]byte{[]byte("loc:@" + v.slotOf)}}}}
		}
		pb.GraphDef.Node = append(pb.GraphDef.Node, n)
		inputs, keys, types = append(inputs, v.name), append(keys, v.name+"/key"), append(types, typespb.DataType(dtype))
	}
	add("step", "Step", nil, inputs...)
	add("save/restore", "RestoreV2", map[string]*attrpb.AttrValue{"dtypes": typesAttr(types)}, "save/filename", texts("save/keys", keys...), texts("save/slices", make([]string, len(keys))...))
	for i, v := range variables {
		name := fmt.Sprintf("save/assign_%d", i)
		add(name, "AssignVariableOp", nil, v.name, fmt.Sprintf("save/restore:%d", i))
		restored = append(restored, "^"+name)
	}
	add("save/all", "NoOp", nil, restored...)
	saved := []string{"save/filename", "save/keys", "save/slices"}
	for _, v := range variables {
		saved = append(saved, add(v.name+"/Read", "ReadVariableOp", nil, v.name).GetName())
	}
	add("save/save", "SaveV2", nil, saved...)
	pb.SaverDef = &corepb.SaverDef{Version: corepb.SaverDef_V2, FilenameTensorName: "save/filename:0", SaveTensorName: "save/save:0", RestoreOpName: "save/all"}
	pb.SignatureDef = map[string]*corepb.SignatureDef{"train": {
		Inputs:  map[string]*corepb.TensorInfo{"x": info("x:0", Float32, -1, 4)},
		Outputs: map[string]*corepb.TensorInfo{"loss": info("step:0", Float32), "mae": info("step:1", Float32), globalStepName: info("step:2", Int64), "grads": info("step:3", Float32, 4), "acc": info("step:4", Float64)},
	}}
	return pb
}

// writeKeys writes a checkpoint of float32 scalars.
func writeKeys(t *testing.T, prefix string, keys ...string) {
	t.Helper()
	w := newValuesWriter()
	for _, key := range keys {
		w.entries[key] = &corepb.BundleEntryProto{Dtype: typespb.DataType_DT_FLOAT, Size: 4}
	}
	values, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(prefix+indexSuffix, values.Index, 0o644), os.WriteFile(prefix+".data-00000-of-00001", make([]byte, 4), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func openTraining(t *testing.T, pb *corepb.MetaGraphDef, s TrainingSource) (*Training, error) {
	t.Helper()
	s.Graph = write(t, "saved_model.pb", encoded(t, &corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{pb}}))
	writeKeys(t, variablesOf(s.Graph))
	if s.Train == "" {
		s.Train = "train"
	}
	if s.Strategy == "" {
		s.Strategy = Independent
	}
	return s.Open()
}

func names(tensors []Tensor) []string {
	var found []string
	for _, t := range tensors {
		found = append(found, t.Alias)
	}
	return found
}

func TestTrainingSignature(t *testing.T) {
	pb := trainable(testVariable{name: "w"})
	pb.SignatureDef["evaluate"] = &corepb.SignatureDef{Inputs: pb.SignatureDef["train"].Inputs, Outputs: map[string]*corepb.TensorInfo{"loss": info("step:0", Float32)}}
	pb.SignatureDef["train_all_reduce"] = proto.CloneOf(pb.SignatureDef["train"])
	pb.SignatureDef["train_all_reduce"].Inputs[groupSizeAlias] = info("group_size:0", Int32)
	for _, strategy := range []Strategy{Independent, AllReduce} {
		have, err := openTraining(t, pb, TrainingSource{Eval: "evaluate", Strategy: strategy})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(names(have.Metrics), []string{"loss", "acc", "mae"}) || !slices.Equal(names(have.EvalMetrics), []string{"loss"}) {
			t.Errorf("%s: metrics %v, %v", strategy, names(have.Metrics), names(have.EvalMetrics))
		}
		if !slices.Equal(names(have.Train.Inputs), []string{"x"}) || len(have.Train.Outputs) > 0 || !slices.Equal(names(have.Eval.Inputs), []string{"x"}) {
			t.Errorf("%s: signatures %+v, %+v", strategy, have.Train, have.Eval)
		}
		if grouped := have.groupSize == "group_size:0"; grouped != (strategy == AllReduce) {
			t.Errorf("%s: group size %q", strategy, have.groupSize)
		}
	}
}

// Each fault of a graph is a ModelError that says what to do.
func TestTrainingRefuses(t *testing.T) {
	train := func(change func(*corepb.SignatureDef)) *corepb.MetaGraphDef {
		pb := trainable(testVariable{name: "w"})
		change(pb.SignatureDef["train"])
		return pb
	}
	none := func(*corepb.SignatureDef) {}
	tests := map[string]struct {
		pb     *corepb.MetaGraphDef
		source TrainingSource
		want   string
	}{
		"no signature":  {train(none), TrainingSource{Train: "fit"}, `there is no signature "fit" (signatures there: train) (export one with tfos.graph.export_training`},
		"no evaluation": {train(none), TrainingSource{Eval: "evaluate"}, `there is no signature "evaluate"`},
		"no loss": {train(func(s *corepb.SignatureDef) { delete(s.Outputs, "loss") }), TrainingSource{},
			"has no output loss (outputs there: acc, global_step, grads, mae)"},
		"vector loss":  {train(func(s *corepb.SignatureDef) { s.Outputs["loss"] = info("step:0", Float32, -1) }), TrainingSource{}, "the output loss is float32 [-1], not one floating-point number (return the mean"},
		"integer loss": {train(func(s *corepb.SignatureDef) { s.Outputs["loss"] = info("step:0", Int64) }), TrainingSource{}, "the output loss is int64 []"},
		"all_reduce":   {train(none), TrainingSource{Strategy: AllReduce}, `needs a signature "train_all_reduce", which averages gradients over workers, and there is none (tfos.graph.export_training writes it`},
		"scalar input": {train(func(s *corepb.SignatureDef) { s.Inputs["rate"] = info("rate:0", Float32) }), TrainingSource{}, "the input rate has one value for all rows"},
		"no variables": {train(func(s *corepb.SignatureDef) {
			s.Outputs = map[string]*corepb.TensorInfo{"loss": info("x:0", Float32)}
		}), TrainingSource{}, "nothing to train"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := openTraining(t, test.pb, test.source)
			var refused *ModelError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("have %v, want %q", err, test.want)
			}
		})
	}
}

// A graph that names no count of updates gets one, which checkpoints have too.
func TestTrainingCountsUpdates(t *testing.T) {
	pb := trainable(testVariable{name: "w", shape: []int64{2}})
	delete(pb.SignatureDef["train"].Outputs, globalStepName)
	have, err := openTraining(t, pb, TrainingSource{})
	if err != nil {
		t.Fatal(err)
	}
	if !have.counter.own || !have.ownSaver() || have.globalStep != "" {
		t.Errorf("counter %+v", have.counter)
	}
	program, err := have.Program(Cluster{}, ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(t.TempDir(), "ckpt")
	writeKeys(t, prefix, "w/key", "global_step/key")
	if err := have.CheckCheckpoint(prefix); err == nil || !strings.Contains(err.Error(), "global_step/key is float32 [] in the checkpoint and int64 [] in the graph, w/key is float32 [] in the checkpoint and float32 [2] in the graph") {
		t.Error(err)
	}
	have.variables[0].shape, have.variables[1].shape = nil, nil
	have.variables[1].dtype = Float32
	steps, err := program.RestoreSteps(prefix)
	want := []Step{{Feeds: map[string]string{"tfos/save/filename:0": prefix}, Targets: []string{"tfos/save/restore_all"}}, {Targets: []string{"tfos/global_step/zero"}}}
	if err != nil || !reflect.DeepEqual(steps, want) {
		t.Errorf("without the count: %v, %v", steps, err)
	}
}

// A checkpoint that lacks variables is refused, with their names.
func TestCheckpointThatDoesNotFit(t *testing.T) {
	have, err := openTraining(t, trainable(testVariable{name: "w"}, testVariable{name: "b", shape: []int64{3}}), TrainingSource{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(t.TempDir(), "ckpt")
	writeKeys(t, prefix, "w/key", "other")
	err = have.CheckCheckpoint(prefix)
	if err == nil || !strings.Contains(err.Error(), "it lacks b/key (float32 [3]), global_step/key (int64 [])") {
		t.Error(err)
	}
}

// metaGraph is a graph of TensorFlow 1, with its collections.
func metaGraph() *corepb.MetaGraphDef {
	pb := trainable(testVariable{name: "w"})
	pb.SignatureDef = nil
	for _, n := range pb.GraphDef.Node {
		if n.Name == "step" {
			n.Op = "Identity"
			n.Attr = map[string]*attrpb.AttrValue{"T": typeAttr(Float32)}
		}
	}
	list := func(names ...string) *corepb.CollectionDef {
		return &corepb.CollectionDef{Kind: &corepb.CollectionDef_NodeList_{NodeList: &corepb.CollectionDef_NodeList{Value: names}}}
	}
	var defs [][]byte
	for _, name := range []string{"w", globalStepName} {
		raw, _ := proto.Marshal(&variablepb.VariableDef{VariableName: name + ":0", InitializerName: name + "/Assign"})
		defs = append(defs, raw)
	}
	packed := func(values ...[]byte) *corepb.CollectionDef {
		return &corepb.CollectionDef{Kind: &corepb.CollectionDef_BytesList_{BytesList: &corepb.CollectionDef_BytesList{Value: values}}}
	}
	pb.CollectionDef = map[string]*corepb.CollectionDef{"train_op": list("step"), "losses": list("step:0"), "variables": packed(defs...), globalStepName: packed(defs[1])}
	return pb
}

func openMetaTraining(t *testing.T, pb *corepb.MetaGraphDef, s TrainingSource) (*Training, error) {
	t.Helper()
	s.Graph = filepath.Join(t.TempDir(), "model.meta")
	raw, err := proto.Marshal(pb)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Graph, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Train = "train"
	return s.Open()
}

func TestTrainingOfCollections(t *testing.T) {
	have, err := openMetaTraining(t, metaGraph(), TrainingSource{Eval: "evaluate", Inputs: map[string]string{"pixels": "x:0"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(have.updates, []string{"step"}) || have.Metrics[0].Name != "step:0" || have.Train.Inputs[0].Alias != "x:0" || have.counter.node.GetName() != globalStepName {
		t.Errorf("%+v", have)
	}
	if have.Initial != "" || !slices.Equal(have.firstInit, []string{"w/Assign", "global_step/Assign"}) {
		t.Errorf("initial %q, %v", have.Initial, have.firstInit)
	}
	for name, test := range map[string]struct {
		change func(*corepb.MetaGraphDef)
		source TrainingSource
		want   string
	}{
		"no train op":  {func(pb *corepb.MetaGraphDef) { delete(pb.CollectionDef, "train_op") }, TrainingSource{}, "no operation in its collection train_op"},
		"no loss":      {func(pb *corepb.MetaGraphDef) { delete(pb.CollectionDef, "losses") }, TrainingSource{}, "no tensor in its collection losses"},
		"all_reduce":   {func(*corepb.MetaGraphDef) {}, TrainingSource{Strategy: AllReduce}, "a .meta file has none"},
		"no first":     {func(pb *corepb.MetaGraphDef) { delete(pb.CollectionDef, "variables") }, TrainingSource{}, "its variables have no values"},
		"other tensor": {func(*corepb.MetaGraphDef) {}, TrainingSource{Inputs: map[string]string{"pixels": "z:0"}}, "the graph has no tensor z:0"},
	} {
		pb := metaGraph()
		test.change(pb)
		if _, err := openMetaTraining(t, pb, test.source); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
