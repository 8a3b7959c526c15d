package model

import (
	"fmt"
	"maps"
	"slices"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// narrower makes functions that compute only some outputs of another function.
// TensorFlow computes all outputs of a function that it calls, and needs all
// arguments.
//
// A narrowed function takes only the arguments that its wanted outputs and its side
// effects need. It keeps all outputs, so that their numbers stay the same. An
// output that nobody wants is a zero.
type narrower struct {
	flow    *flow
	known   map[string]*narrowed // by function and outputs
	library []*functionpb.FunctionDef
}

// narrowed is a narrowed function, and which of the original arguments it takes.
type narrowed struct {
	name string
	args []bool
}

func newNarrower(f *flow) *narrower { return &narrower{flow: f, known: map[string]*narrowed{}} }

// narrowCall returns n as a call of the function narrowed to these outputs. It
// returns n itself if n calls no function, or if all arguments and outputs are
// needed.
func (w *narrower) narrowCall(n *nodepb.NodeDef, outputs map[int]bool) *nodepb.NodeDef {
	def := w.flow.library[w.flow.calledFunction(n)]
	if def == nil || w.isWhole(def, outputs) {
		return n
	}
	to := w.narrowFunction(def, outputs)
	n = proto.CloneOf(n)
	delete(n.Attr, "_output_shapes") // zeros have other shapes
	inputs := n.Input
	n.Input = nil
	for i, in := range inputs {
		if i >= len(to.args) || to.args[i] {
			n.Input = append(n.Input, in)
		}
	}
	if f := n.GetAttr()["f"]; f != nil && n.GetOp() != def.GetSignature().GetName() {
		f.GetFunc().Name = to.name
	} else {
		n.Op = to.name
	}
	if types := n.GetAttr()["Tin"].GetList(); types != nil {
		types.Type = keepMarked(types.GetType(), to.args)
	}
	if list := n.GetAttr()[readOnly].GetList(); list != nil {
		list.I = renumberMarked(list.GetI(), to.args)
	}
	return n
}

// readOnly is an attribute of calls. It lists argument numbers.
const readOnly = "_read_only_resource_inputs"

// isWhole reports whether all outputs of a function are wanted and need all
// arguments.
func (w *narrower) isWhole(def *functionpb.FunctionDef, outputs map[int]bool) bool {
	for i := range def.GetSignature().GetOutputArg() {
		if !outputs[i] {
			return false
		}
	}
	return !slices.Contains(w.neededArguments(def, outputs), false)
}

// neededArguments marks the arguments that these outputs and the function's side
// effects need.
func (w *narrower) neededArguments(def *functionpb.FunctionDef, outputs map[int]bool) []bool {
	needed := slices.Clone(w.flow.neededArguments(def, noOutput))
	for i := range outputs {
		for j, n := range w.flow.neededArguments(def, i) {
			needed[j] = needed[j] || n
		}
	}
	return needed
}

// narrowFunction narrows a function to these outputs. Outputs that a zero cannot
// replace (resources, variants) are kept too.
func (w *narrower) narrowFunction(def *functionpb.FunctionDef, outputs map[int]bool) *narrowed {
	outputs = maps.Clone(outputs)
	for i, out := range def.GetSignature().GetOutputArg() {
		switch out.GetType() {
		case typespb.DataType_DT_INVALID, typespb.DataType_DT_RESOURCE, typespb.DataType_DT_VARIANT:
			outputs[i] = true
		}
	}
	key := fmt.Sprint(def.GetSignature().GetName(), slices.Sorted(maps.Keys(outputs)))
	if to := w.known[key]; to != nil {
		return to
	}
	to := &narrowed{name: fmt.Sprintf("%s_%s_%d", def.GetSignature().GetName(), ownScope, len(w.known)), args: w.neededArguments(def, outputs)}
	w.known[key] = to
	w.library = append(w.library, w.narrowedBody(def, outputs, to))
	return to
}

// narrowedBody builds the definition of a narrowed function.
func (w *narrower) narrowedBody(def *functionpb.FunctionDef, outputs map[int]bool, to *narrowed) *functionpb.FunctionDef {
	met, asked := map[string]bool{}, map[string]map[int]bool{} // nodes, and the used outputs of each
	walk := w.flow.bodyWalk(def, func(int) {})
	walk.onNode = func(n *nodepb.NodeDef, output int) {
		met[n.GetName()] = true
		if asked[n.GetName()] == nil {
			asked[n.GetName()] = map[int]bool{}
		}
		if output != noOutput {
			asked[n.GetName()][output] = true
		}
	}
	walk.traceOutputs(def, slices.Sorted(maps.Keys(outputs))...)

	out := &functionpb.FunctionDef{Signature: proto.CloneOf(def.GetSignature()), Attr: maps.Clone(def.GetAttr()), ControlRet: def.GetControlRet(), Ret: maps.Clone(def.GetRet())}
	out.Signature.Name, out.Signature.InputArg = to.name, keepMarked(out.Signature.GetInputArg(), to.args)
	delete(out.Attr, "_input_shapes") // it lists all arguments
	out.ArgAttr, out.ResourceArgUniqueId = renumberKeys(def.GetArgAttr(), to.args), renumberKeys(def.GetResourceArgUniqueId(), to.args)
	for _, n := range def.GetNodeDef() {
		if met[n.GetName()] {
			out.NodeDef = append(out.NodeDef, w.narrowCall(n, asked[n.GetName()]))
		}
	}
	for i, result := range def.GetSignature().GetOutputArg() {
		if !outputs[i] {
			zero := constant(fmt.Sprintf("%s/zero_%d", ownScope, i), &tensorpb.TensorProto{Dtype: result.GetType(), TensorShape: &shapepb.TensorShapeProto{}})
			out.NodeDef, out.Ret[result.GetName()] = append(out.NodeDef, zero), zero.GetName()+":output:0"
		}
	}
	return out
}

// keepMarked returns the marked elements, and those that have no mark.
func keepMarked[T any](all []T, marks []bool) []T {
	var out []T
	for i, v := range all {
		if i >= len(marks) || marks[i] {
			out = append(out, v)
		}
	}
	return out
}

// renumberMarked drops the numbers of unmarked arguments. It changes each other
// number to the argument's place among the marked ones.
func renumberMarked(numbers []int64, marks []bool) []int64 {
	var out []int64
	for _, number := range numbers {
		if number < int64(len(marks)) && marks[number] {
			out = append(out, countMarked(int(number), marks))
		}
	}
	return out
}

// renumberKeys is renumberMarked for the keys of a map.
func renumberKeys[T any](all map[uint32]T, marks []bool) map[uint32]T {
	out := map[uint32]T{}
	for number, v := range all {
		if int(number) < len(marks) && marks[number] {
			out[uint32(countMarked(int(number), marks))] = v
		}
	}
	return out
}

func countMarked(number int, marks []bool) int64 {
	n := int64(0)
	for _, marked := range marks[:number] {
		if marked {
			n++
		}
	}
	return n
}

func constant(name string, value *tensorpb.TensorProto) *nodepb.NodeDef {
	return &nodepb.NodeDef{Name: name, Op: "Const", Attr: map[string]*attrpb.AttrValue{
		"dtype": {Value: &attrpb.AttrValue_Type{Type: value.GetDtype()}},
		"value": {Value: &attrpb.AttrValue_Tensor{Tensor: value}},
	}}
}
