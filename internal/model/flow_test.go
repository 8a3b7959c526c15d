package model

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// nested is a graph as TensorFlow 2 writes it: it calls a function that calls another. In
// the inner function output 0 needs x, and output 1 needs keep. An assertion needs guard
// and always runs.
const nested = `
node { name: "x" op: "Placeholder" device: "/device:GPU:0" }
node { name: "keep" op: "Placeholder" }
node { name: "guard" op: "Placeholder" }
node { name: "key" op: "Placeholder" }
node { name: "call" op: "StatefulPartitionedCall" input: ["key", "keep", "x", "guard"]
  attr { key: "f" value { func { name: "outer" } } }
  attr { key: "Tin" value { list { type: [DT_STRING, DT_FLOAT, DT_FLOAT, DT_BOOL] } } }
  attr { key: "_read_only_resource_inputs" value { list { i: [1, 3] } } } }
library {
  function {
    signature { name: "outer"
      input_arg { name: "key" type: DT_STRING } input_arg { name: "keep" type: DT_FLOAT } input_arg { name: "x" type: DT_FLOAT } input_arg { name: "guard" type: DT_BOOL }
      output_arg { name: "a" type: DT_FLOAT } output_arg { name: "b" type: DT_FLOAT } output_arg { name: "c" type: DT_STRING } }
    node_def { name: "inner" op: "inner_function" input: ["x", "keep", "guard"] device: "/device:TPU:0" }
    node_def { name: "NoOp" op: "NoOp" input: "^inner" }
    node_def { name: "A" op: "Identity" input: ["inner:first:0", "^NoOp"] }
    node_def { name: "B" op: "Identity" input: ["inner:second:0", "^NoOp"] }
    ret { key: "a" value: "A:output:0" } ret { key: "b" value: "B:output:0" } ret { key: "c" value: "key" }
    control_ret { key: "inner" value: "inner" } }
  function {
    signature { name: "inner_function"
      input_arg { name: "x" type: DT_FLOAT } input_arg { name: "keep" type: DT_FLOAT } input_arg { name: "guard" type: DT_BOOL }
      output_arg { name: "first" type: DT_FLOAT } output_arg { name: "second" type: DT_FLOAT } }
    node_def { name: "Assert" op: "Assert" input: "guard" }
    node_def { name: "first" op: "Neg" input: "x" }
    node_def { name: "python" op: "PyFuncStateless" input: "keep" }
    ret { key: "first" value: "first:y:0" } ret { key: "second" value: "python:output:0" }
    control_ret { key: "Assert" value: "Assert" } }
}`

func nestedGraph(t *testing.T) *MetaGraph {
	t.Helper()
	def := &graphpb.GraphDef{}
	if err := prototext.Unmarshal([]byte(nested), def); err != nil {
		t.Fatal(err)
	}
	return newMetaGraph("m", &corepb.MetaGraphDef{GraphDef: def, MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
		SignatureDef: map[string]*corepb.SignatureDef{"serving_default": {
			Inputs: map[string]*corepb.TensorInfo{"x": info("x:0", Float32, -1), "keep": info("keep:0", Float32), "guard": info("guard:0", Bool, -1), "key": info("key:0", String, -1)},
			Outputs: map[string]*corepb.TensorInfo{"a": info("call:0", Float32, -1), "b": info("call:1", Float32, -1), "c": info("call:2", String, -1),
				"same": info("x:0", Float32, -1)},
		}}})
}

func aliasesOf(tensors []Tensor) string {
	var names []string
	for _, t := range tensors {
		names = append(names, t.Alias)
	}
	return strings.Join(names, " ")
}

func TestOutputsNeedSomeInputs(t *testing.T) {
	for outputs, want := range map[string]string{
		"a": "guard x", "c": "guard key", "a c": "guard key x", "same": "x", "same c": "guard key x",
	} {
		mapping := map[string]string{}
		for _, name := range strings.Fields(outputs) {
			mapping[name] = name
		}
		sig, err := nestedGraph(t).Choose("", Mapping{Outputs: mapping})
		if err != nil || aliasesOf(sig.Inputs) != want {
			t.Errorf("%s needs %q, %v; want %q", outputs, aliasesOf(sig.Inputs), err, want)
		}
	}
	sig, err := nestedGraph(t).Choose("", Mapping{Inputs: map[string]string{"column": "keep"}, Outputs: map[string]string{"a": "a"}})
	if err != nil || aliasesOf(sig.Inputs) != "guard keep x" {
		t.Errorf("a column that is mapped: %q, %v", aliasesOf(sig.Inputs), err)
	}
	for _, outputs := range []map[string]string{nil, {"b": "b"}} {
		if _, err := nestedGraph(t).Choose("", Mapping{Outputs: outputs}); err == nil || !strings.Contains(err.Error(), "node python (PyFuncStateless) calls a Python function") {
			t.Errorf("%v: %v", outputs, err)
		}
	}
}

// TestProgramNarrowsFunctions: a program's functions take only what the outputs need.
// Outputs keep their numbers. The program has no devices.
func TestProgramNarrowsFunctions(t *testing.T) {
	dir := t.TempDir()
	saved, err := proto.Marshal(&corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{nestedGraph(t).pb}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, SavedModelFile), saved, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := Source{Model: dir}.Program("", Mapping{Outputs: map[string]string{"a": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(p.Graph, def); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(def.String(), "/device:") {
		t.Error("there are devices")
	}
	f := newFlow(def)
	call := f.nodes["call"]
	if have := strings.Join(call.GetInput(), " "); have != "x guard" || len(call.GetAttr()["Tin"].GetList().GetType()) != 2 || !slices.Equal(call.GetAttr()[readOnly].GetList().GetI(), []int64{1}) {
		t.Errorf("the call takes %s, %v", have, call)
	}
	outer := f.library[f.calledFunction(call)]
	if len(outer.GetSignature().GetInputArg()) != 2 || len(outer.GetSignature().GetOutputArg()) != 3 || outer.GetRet()["b"] != "tfos/zero_1:output:0" {
		t.Errorf("outer is %v", outer)
	}
	for _, n := range outer.GetNodeDef() {
		if n.GetName() == "inner" && (n.GetOp() == "inner_function" || strings.Join(n.GetInput(), " ") != "x guard") {
			t.Errorf("inner is %v", n)
		}
	}
	for _, op := range p.Operations {
		if op.Name == "PyFuncStateless" {
			t.Error("the program needs an operation of an output that nobody asked for")
		}
	}
	whole, err := Source{Model: dir}.Program("", Mapping{Outputs: map[string]string{"same": "same"}})
	if err != nil || len(whole.Graph) == 0 || slices.ContainsFunc(whole.Operations, func(o Operation) bool { return o.Name == "Assert" }) {
		t.Errorf("%v, %v", whole, err)
	}
}

// TestOneTensorUnderTwoAliases: such a tensor needs only one column.
func TestOneTensorUnderTwoAliases(t *testing.T) {
	sig := &Signature{Inputs: []Tensor{{Alias: "a", Name: "x:0", Type: Float32, Shape: []int64{-1}}, {Alias: "b", Name: "x:0", Type: Float32, Shape: []int64{-1}}},
		Outputs: []Tensor{{Alias: "y", Name: "y:0", Type: Float32, Shape: []int64{-1}}}}
	schema := func(names ...string) *arrow.Schema {
		var fields []arrow.Field
		for _, name := range names {
			fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float32})
		}
		return arrow.NewSchema(fields, nil)
	}
	for name, c := range map[string]struct {
		schema  *arrow.Schema
		mapping map[string]string
		want    string // column, or a part of the error
	}{
		"by the second's name": {schema("id", "b", "c"), nil, "b"},
		"the only one":         {schema("c"), nil, "c"},
		"mapped":               {schema("a", "b"), map[string]string{"b": "a"}, "b"},
		"two":                  {schema("a", "b"), nil, "columns a and b both feed x:0"},
		"none":                 {schema("c", "d"), nil, "input a: no column feeds it"},
	} {
		bind, err := Check(sig, c.schema, Mapping{Inputs: c.mapping})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if len(bind.Inputs) != 1 || bind.Inputs[0].Column != c.want {
			t.Errorf("%s: %+v", name, bind.Inputs)
		}
	}
}
