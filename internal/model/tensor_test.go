package model

import (
	"strings"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// twoInputs returns a graph with the placeholders a and b, and hidden between them and the
// output. Its signature has all but hidden.
func twoInputs() *MetaGraph {
	attr := func(t typespb.DataType) *attrpb.AttrValue {
		return &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: t}}
	}
	node := func(name, op string, inputs ...string) *nodepb.NodeDef {
		return &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: map[string]*attrpb.AttrValue{"T": attr(typespb.DataType_DT_FLOAT)}}
	}
	split := node("parts", "Split", "hidden")
	split.Attr["n"] = &attrpb.AttrValue{Value: &attrpb.AttrValue_I{I: -1}}
	ops := []*oppb.OpDef{
		{Name: "Placeholder", OutputArg: []*oppb.OpDef_ArgDef{{TypeAttr: "T"}}},
		{Name: "Add", OutputArg: []*oppb.OpDef_ArgDef{{TypeAttr: "T"}}},
		{Name: "Split", OutputArg: []*oppb.OpDef_ArgDef{{TypeAttr: "T", NumberAttr: "n"}}},
	}
	return newMetaGraph("m", &corepb.MetaGraphDef{
		MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{StrippedOpList: &oppb.OpList{Op: ops}},
		GraphDef: &graphpb.GraphDef{Node: []*nodepb.NodeDef{
			node("a", "Placeholder"), node("b", "Placeholder"), node("hidden", "Add", "a", "b"), node("out", "Add", "hidden", "b"), split, node("odd", "Unheard"),
		}},
		SignatureDef: map[string]*corepb.SignatureDef{"serving_default": {
			Inputs:  map[string]*corepb.TensorInfo{"x": info("a:0", Float32, -1), "z:0": info("b:0", Float32, -1)},
			Outputs: map[string]*corepb.TensorInfo{"y": info("out:0", Float32, -1)},
		}},
	})
}

func TestChoose(t *testing.T) {
	words := func(s string) map[string]string { // each for itself
		mapping := map[string]string{}
		for _, word := range strings.Fields(s) {
			mapping[word] = word
		}
		return mapping
	}
	for _, c := range []struct {
		inputs, outputs string
		want            string // aliases in > out, or a part of the error
	}{
		{"", "", "x z:0 > y"},
		{"x", "y", "x z:0 > y"},
		{"a:0 b:0", "hidden:0", "a:0 b:0 > hidden:0"},
		{"a:0 b:0", "hidden:0 out:0", "a:0 b:0 > hidden:0 out:0"},
		{"", "hidden:0", "x z:0 > hidden:0"},
		{"x", "hidden:0 y", "x z:0 > hidden:0 y"},
		{"a:0", "y", "a:0 z:0 > y"}, // the signature's other input is needed too
		{"z:0", "y", "x z:0 > y"},   // an alias, though it looks like a tensor
		{"hidden:0 b:0", "out:0", "b:0 hidden:0 > out:0"},
		{"w", "y", `input_mapping: w is not an alias of signature "serving_default" (aliases there: x, z:0)`},
		{"x", "v", `output_mapping: v is not an alias of signature "serving_default" (aliases there: y)`},
		{"c:0", "y", "the graph has no tensor c:0"},
		{"a:1", "y", "there is no tensor a:1: operation a has 1 outputs"},
		{"x", "parts:0", "operation parts has 0 outputs"},
		{"x", "odd:0", "the model does not say what operation Unheard gives"},
	} {
		sig, err := twoInputs().Choose("", Mapping{Inputs: words(c.inputs), Outputs: words(c.outputs)})
		have := ""
		if err != nil {
			have = err.Error()
		} else {
			have = strings.ReplaceAll(aliases(sig.Inputs)+" > "+aliases(sig.Outputs), ",", "")
		}
		if have != c.want && (err == nil || !strings.Contains(have, c.want)) {
			t.Errorf("%q, %q: %s; want %s", c.inputs, c.outputs, have, c.want)
		}
	}
}

func TestNoSignature(t *testing.T) {
	g := twoInputs()
	g.Signatures = nil
	if sig, err := g.Choose("serving_default", Mapping{Inputs: map[string]string{"p": "a:0", "q": "b:0"}, Outputs: map[string]string{"out:0": "r"}}); err != nil || sig.Name != "" || len(sig.Inputs) != 2 {
		t.Errorf("%+v, %v", sig, err)
	}
	if _, err := g.Choose("serving_default", Mapping{Outputs: map[string]string{"out:0": "r"}}); err == nil || !strings.Contains(err.Error(), "no signature (name tensors, such as a:0,") {
		t.Errorf("%v", err)
	}
}
