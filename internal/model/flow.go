package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
)

// flow finds what tensors are computed from. A signature of TensorFlow 2 is one
// call of a function that takes every input, so flow follows calls into the
// functions: an output needs those arguments that its value depends on, and
// those that an operation with a side effect (an assertion, an assignment)
// depends on, because a function always runs these.
type flow struct {
	nodes   map[string]*nodepb.NodeDef         // of the graph
	library map[string]*functionpb.FunctionDef // by name
	fed     map[string]bool                    // tensors, "operation:index", at which the walk ends

	ended map[string]bool            // of fed, those that were met
	main  map[string]*nodepb.NodeDef // operations of the graph that were met
	taken map[string]map[int]bool    // which of their outputs
	ops   map[string]string          // operations that were met, in functions too, and a node of each

	arguments map[call][]bool // what flow knows of functions
	entered   map[string]bool // functions that were taken as a whole
}

// call is a function's output; that of index noOutput stands for its side effects.
type call struct {
	function string
	output   int
}

const noOutput = -1

// newFlow makes a flow that has met nothing. It ends at the fed tensors.
func newFlow(graph *graphpb.GraphDef, fed ...string) *flow {
	f := &flow{
		nodes: map[string]*nodepb.NodeDef{}, library: map[string]*functionpb.FunctionDef{}, fed: map[string]bool{},
		ended: map[string]bool{}, main: map[string]*nodepb.NodeDef{}, taken: map[string]map[int]bool{}, ops: map[string]string{},
		arguments: map[call][]bool{}, entered: map[string]bool{},
	}
	for _, n := range graph.GetNode() {
		f.nodes[n.GetName()] = n
	}
	for _, def := range graph.GetLibrary().GetFunction() {
		f.library[def.GetSignature().GetName()] = def
	}
	for _, name := range fed {
		f.fed[name] = true
	}
	return f
}

// back walks from a tensor of the graph.
func (f *flow) back(tensor string) {
	w := &walk{flow: f, nodes: f.nodes, seen: map[string]bool{}}
	w.meet = func(n *nodepb.NodeDef, output int) {
		f.main[n.GetName()] = n
		if f.taken[n.GetName()] == nil {
			f.taken[n.GetName()] = map[int]bool{}
		}
		if output != noOutput {
			f.taken[n.GetName()][output] = true
		}
	}
	w.ends = func(ref string) bool {
		if !strings.Contains(ref, ":") {
			ref += ":0"
		}
		if f.fed[ref] {
			f.ended[ref] = true
		}
		return f.fed[ref]
	}
	w.back(tensor)
}

// called is the function that a node calls, "" when it is an operation. An
// operation that takes functions, such as If, is no call: it needs all inputs.
func (f *flow) called(n *nodepb.NodeDef) string {
	switch n.GetOp() {
	case "PartitionedCall", "StatefulPartitionedCall":
		return n.GetAttr()["f"].GetFunc().GetName()
	}
	if f.library[n.GetOp()] != nil {
		return n.GetOp()
	}
	return ""
}

// needs says which inputs of a node its output needs; nil: all.
func (f *flow) needs(n *nodepb.NodeDef, output int) []bool {
	if function := f.library[f.called(n)]; function != nil {
		return f.output(function, output)
	}
	return nil
}

// output says which arguments of a function one of its outputs needs.
func (f *flow) output(def *functionpb.FunctionDef, output int) []bool {
	c := call{def.GetSignature().GetName(), output}
	needed, known := f.arguments[c]
	if known {
		return needed
	}
	needed = make([]bool, len(def.GetSignature().GetInputArg()))
	f.arguments[c] = slices.Repeat([]bool{true}, len(needed)) // of a function that calls itself: all
	w := f.bodyWalk(def, func(argument int) { needed[argument] = true })
	if output == noOutput {
		w.outputs(def)
	} else {
		w.outputs(def, output)
	}
	f.arguments[c] = needed
	return needed
}

// bodyWalk is a walk through a function's body that tells of the arguments that
// it comes to.
func (f *flow) bodyWalk(def *functionpb.FunctionDef, argument func(int)) *walk {
	arguments := map[string]int{}
	for i, a := range def.GetSignature().GetInputArg() {
		arguments[a.GetName()] = i
	}
	w := &walk{flow: f, nodes: map[string]*nodepb.NodeDef{}, seen: map[string]bool{}, meet: func(*nodepb.NodeDef, int) {}}
	for _, n := range def.GetNodeDef() {
		w.nodes[n.GetName()] = n
	}
	w.ends = func(ref string) bool {
		name, _, _ := strings.Cut(ref, ":")
		i, is := arguments[name]
		if is {
			argument(i)
		}
		return is
	}
	return w
}

// note takes a node's operation, and all of those in the functions that it
// takes without calling them itself.
func (f *flow) note(n *nodepb.NodeDef) {
	if f.called(n) != "" {
		return
	}
	if _, known := f.ops[n.GetOp()]; !known {
		f.ops[n.GetOp()] = n.GetName()
	}
	for _, name := range functionsOf(n) {
		f.enter(name)
	}
}

// enter notes every node of a function and of those that it uses.
func (f *flow) enter(function string) {
	if f.entered[function] {
		return
	}
	f.entered[function] = true
	for _, n := range f.library[function].GetNodeDef() {
		f.note(n)
		f.enter(f.called(n))
	}
}

// follow enters the functions that the operations of another flow use.
func (f *flow) follow(other *flow) {
	for _, n := range other.main {
		f.note(n)
		f.enter(f.called(n))
	}
}

// functionsOf are the functions that a node's attributes name.
func functionsOf(n *nodepb.NodeDef) []string {
	var names []string
	for _, a := range n.GetAttr() {
		switch v := a.GetValue().(type) {
		case *attrpb.AttrValue_Func:
			names = append(names, v.Func.GetName())
		case *attrpb.AttrValue_List:
			for _, f := range v.List.GetFunc() {
				names = append(names, f.GetName())
			}
		}
	}
	return names
}

// walk goes back through the graph, or through the body of a function.
type walk struct {
	flow  *flow
	nodes map[string]*nodepb.NodeDef
	seen  map[string]bool
	ends  func(tensor string) bool // tells whether the walk ends at this tensor
	meet  func(n *nodepb.NodeDef, output int)
}

// outputs walks from these outputs of a function, and from what it always runs.
func (w *walk) outputs(def *functionpb.FunctionDef, outputs ...int) {
	all := def.GetSignature().GetOutputArg()
	for _, i := range outputs {
		if i < len(all) {
			w.back(def.GetRet()[all[i].GetName()])
		}
	}
	for _, name := range def.GetControlRet() {
		w.back("^" + name)
	}
}

// back walks from a node's input: "operation", "operation:1", in a function
// "operation:output:1"; "^operation" is an operation that runs before.
func (w *walk) back(ref string) {
	if w.seen[ref] {
		return
	}
	w.seen[ref] = true
	name, control := strings.CutPrefix(ref, "^")
	if !control && w.ends(ref) {
		return
	}
	name, _, _ = strings.Cut(name, ":")
	n := w.nodes[name]
	if n == nil {
		return
	}
	output := noOutput
	if !control {
		output = w.flow.outputIndex(n, ref)
	}
	w.meet(n, output)
	w.flow.note(n)
	needed := w.flow.needs(n, output)
	for i, in := range n.GetInput() {
		if i >= len(needed) || needed[i] { // beyond the arguments: controls
			w.back(in)
		}
	}
}

// outputIndex is which of a node's tensors an input names, counted from 0.
func (f *flow) outputIndex(n *nodepb.NodeDef, ref string) int {
	parts := strings.Split(ref, ":")
	index, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil {
		return 0
	}
	if def := f.library[n.GetOp()]; def != nil && len(parts) == 3 {
		for i, a := range def.GetSignature().GetOutputArg() {
			if a.GetName() == parts[1] {
				return i
			}
		}
	}
	return index
}

// pythonOps call a function of the Python process that made the model, which is
// in no SavedModel (tensorflow/core/ops/script_ops.cc).
var pythonOps = []string{"PyFunc", "PyFuncStateless", "EagerPyFunc"}

// needsPython says that the tensors cannot be computed without Python; nil: they
// can.
func (f *flow) needsPython(path string) error {
	for _, op := range pythonOps {
		if node, there := f.ops[op]; there {
			return &ModelError{Path: path, Problem: fmt.Sprintf("node %s (%s) calls a Python function, as tf.numpy_function and tf.py_function do, which no saved model holds", node, op),
				Remedy: "export it with TensorFlow's operations in its place, or choose other outputs with output_mapping"}
		}
	}
	return nil
}
