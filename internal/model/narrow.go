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

// narrower makes functions that compute some of another's outputs. TensorFlow
// computes all outputs of a function that it calls, and asks for all arguments.
//
// A narrowed function takes only the arguments that it needs. It has all outputs,
// so that their numbers stay, with a zero in the place of those not asked for.
type narrower struct {
	flow    *flow
	known   map[string]*narrowed // by function and outputs
	library []*functionpb.FunctionDef
}

// narrowed is a function and which of the arguments it takes.
type narrowed struct {
	name string
	args []bool
}

func newNarrower(f *flow) *narrower { return &narrower{flow: f, known: map[string]*narrowed{}} }

// call is a node that calls a function for these outputs, as a call of the
// function narrowed to them. What has nothing to leave out stays as it is.
func (w *narrower) call(n *nodepb.NodeDef, outputs map[int]bool) *nodepb.NodeDef {
	def := w.flow.library[w.flow.called(n)]
	if def == nil || w.whole(def, outputs) {
		return n
	}
	to := w.function(def, outputs)
	n = proto.CloneOf(n)
	delete(n.Attr, "_output_shapes") // which zeros do not have
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
		types.Type = kept(types.GetType(), to.args)
	}
	if list := n.GetAttr()[readOnly].GetList(); list != nil {
		list.I = renumbered(list.GetI(), to.args)
	}
	return n
}

// readOnly is an attribute of calls with numbers of arguments.
const readOnly = "_read_only_resource_inputs"

// whole tells whether a function's outputs are all asked for and need all
// arguments.
func (w *narrower) whole(def *functionpb.FunctionDef, outputs map[int]bool) bool {
	for i := range def.GetSignature().GetOutputArg() {
		if !outputs[i] {
			return false
		}
	}
	return !slices.Contains(w.args(def, outputs), false)
}

// args says which arguments these outputs of a function need.
func (w *narrower) args(def *functionpb.FunctionDef, outputs map[int]bool) []bool {
	needed := slices.Clone(w.flow.output(def, noOutput))
	for i := range outputs {
		for j, n := range w.flow.output(def, i) {
			needed[j] = needed[j] || n
		}
	}
	return needed
}

// function narrows a function to these outputs, and to those that no zero can
// stand for.
func (w *narrower) function(def *functionpb.FunctionDef, outputs map[int]bool) *narrowed {
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
	to := &narrowed{name: fmt.Sprintf("%s_%s_%d", def.GetSignature().GetName(), ownScope, len(w.known)), args: w.args(def, outputs)}
	w.known[key] = to
	w.library = append(w.library, w.body(def, outputs, to))
	return to
}

// body is the definition of a narrowed function.
func (w *narrower) body(def *functionpb.FunctionDef, outputs map[int]bool, to *narrowed) *functionpb.FunctionDef {
	met, asked := map[string]bool{}, map[string]map[int]bool{} // nodes, and of each its outputs that are taken
	walk := w.flow.bodyWalk(def, func(int) {})
	walk.meet = func(n *nodepb.NodeDef, output int) {
		met[n.GetName()] = true
		if asked[n.GetName()] == nil {
			asked[n.GetName()] = map[int]bool{}
		}
		if output != noOutput {
			asked[n.GetName()][output] = true
		}
	}
	walk.outputs(def, slices.Sorted(maps.Keys(outputs))...)

	out := &functionpb.FunctionDef{Signature: proto.CloneOf(def.GetSignature()), Attr: maps.Clone(def.GetAttr()), ControlRet: def.GetControlRet(), Ret: maps.Clone(def.GetRet())}
	out.Signature.Name, out.Signature.InputArg = to.name, kept(out.Signature.GetInputArg(), to.args)
	delete(out.Attr, "_input_shapes") // of all arguments
	out.ArgAttr, out.ResourceArgUniqueId = byNumber(def.GetArgAttr(), to.args), byNumber(def.GetResourceArgUniqueId(), to.args)
	for _, n := range def.GetNodeDef() {
		if met[n.GetName()] {
			out.NodeDef = append(out.NodeDef, w.call(n, asked[n.GetName()]))
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

// kept are the elements that are marked.
func kept[T any](all []T, marks []bool) []T {
	var out []T
	for i, v := range all {
		if i >= len(marks) || marks[i] {
			out = append(out, v)
		}
	}
	return out
}

// renumbered are numbers of arguments, counted among the marked ones alone.
func renumbered(numbers []int64, marks []bool) []int64 {
	var out []int64
	for _, number := range numbers {
		if number < int64(len(marks)) && marks[number] {
			out = append(out, place(int(number), marks))
		}
	}
	return out
}

// byNumber is what is known of arguments, by number, of the marked ones.
func byNumber[T any](all map[uint32]T, marks []bool) map[uint32]T {
	out := map[uint32]T{}
	for number, v := range all {
		if int(number) < len(marks) && marks[number] {
			out[uint32(place(int(number), marks))] = v
		}
	}
	return out
}

func place(number int, marks []bool) int64 {
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
