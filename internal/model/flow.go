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

// flow finds the operations and inputs that tensors depend on. A signature of
// TensorFlow 2 is one call of a function that takes every input. flow therefore
// follows calls into functions.
//
// An output needs the arguments that its value depends on. It also needs those of
// operations with a side effect (an assertion, an assignment), because a function
// always runs these.
type flow struct {
	nodes   map[string]*nodepb.NodeDef         // of the graph
	library map[string]*functionpb.FunctionDef // by name
	fed     map[string]bool                    // tensors, "operation:index", at which a walk ends

	fedReached  map[string]bool            // the tensors of fed that walks have reached
	reached     map[string]*nodepb.NodeDef // nodes of the graph that walks have reached
	usedOutputs map[string]map[int]bool    // the used outputs of each reached node
	nodeByOp    map[string]string          // reached types of operation, in functions too, and a node of each

	neededByOutput map[call][]bool // the arguments that a function's output needs
	wholeFunctions map[string]bool // functions whose nodes were all added
}

// call is an output of a function. Index noOutput means the function's side effects.
type call struct {
	function string
	output   int
}

const noOutput = -1

// newFlow makes a flow that has reached nothing. Its walks end at the fed tensors.
func newFlow(graph *graphpb.GraphDef, fed ...string) *flow {
	f := &flow{
		nodes: map[string]*nodepb.NodeDef{}, library: map[string]*functionpb.FunctionDef{}, fed: map[string]bool{},
		fedReached: map[string]bool{}, reached: map[string]*nodepb.NodeDef{}, usedOutputs: map[string]map[int]bool{}, nodeByOp: map[string]string{},
		neededByOutput: map[call][]bool{}, wholeFunctions: map[string]bool{},
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

// traceTensor walks from a tensor of the graph back to the tensors in fed.
func (f *flow) traceTensor(tensor string) {
	w := &walk{flow: f, nodes: f.nodes, seen: map[string]bool{}}
	w.onNode = func(n *nodepb.NodeDef, output int) {
		f.reached[n.GetName()] = n
		if f.usedOutputs[n.GetName()] == nil {
			f.usedOutputs[n.GetName()] = map[int]bool{}
		}
		if output != noOutput {
			f.usedOutputs[n.GetName()][output] = true
		}
	}
	w.stopsAt = func(ref string) bool {
		if !strings.Contains(ref, ":") {
			ref += ":0"
		}
		if f.fed[ref] {
			f.fedReached[ref] = true
		}
		return f.fed[ref]
	}
	w.traceInput(tensor)
}

// calledFunction returns the function that a node calls, or "". An operation that
// takes functions, such as If, is not a call: it needs all inputs.
func (f *flow) calledFunction(n *nodepb.NodeDef) string {
	switch n.GetOp() {
	case "PartitionedCall", "StatefulPartitionedCall":
		return n.GetAttr()["f"].GetFunc().GetName()
	}
	if f.library[n.GetOp()] != nil {
		return n.GetOp()
	}
	return ""
}

// neededInputs marks the inputs of a node that its output needs. nil: all.
func (f *flow) neededInputs(n *nodepb.NodeDef, output int) []bool {
	if function := f.library[f.calledFunction(n)]; function != nil {
		return f.neededArguments(function, output)
	}
	return nil
}

// neededArguments marks the arguments of a function that one of its outputs needs.
func (f *flow) neededArguments(def *functionpb.FunctionDef, output int) []bool {
	c := call{def.GetSignature().GetName(), output}
	needed, known := f.neededByOutput[c]
	if known {
		return needed
	}
	needed = make([]bool, len(def.GetSignature().GetInputArg()))
	f.neededByOutput[c] = slices.Repeat([]bool{true}, len(needed)) // a function that calls itself needs all
	w := f.bodyWalk(def, func(argument int) { needed[argument] = true })
	if output == noOutput {
		w.traceOutputs(def)
	} else {
		w.traceOutputs(def, output)
	}
	f.neededByOutput[c] = needed
	return needed
}

// bodyWalk returns a walk through a function's body. The walk calls argument with the
// number of each argument that it reaches.
func (f *flow) bodyWalk(def *functionpb.FunctionDef, argument func(int)) *walk {
	arguments := map[string]int{}
	for i, a := range def.GetSignature().GetInputArg() {
		arguments[a.GetName()] = i
	}
	w := &walk{flow: f, nodes: map[string]*nodepb.NodeDef{}, seen: map[string]bool{}, onNode: func(*nodepb.NodeDef, int) {}}
	for _, n := range def.GetNodeDef() {
		w.nodes[n.GetName()] = n
	}
	w.stopsAt = func(ref string) bool {
		name, _, _ := strings.Cut(ref, ":")
		i, is := arguments[name]
		if is {
			argument(i)
		}
		return is
	}
	return w
}

// addOperation adds a node's operation to nodeByOp. For an operation that takes
// functions, such as If, it adds all operations of these too.
func (f *flow) addOperation(n *nodepb.NodeDef) {
	if f.calledFunction(n) != "" {
		return
	}
	if _, known := f.nodeByOp[n.GetOp()]; !known {
		f.nodeByOp[n.GetOp()] = n.GetName()
	}
	for _, name := range functionsOf(n) {
		f.addFunction(name)
	}
}

// addFunction adds every operation of a function and of the functions that it uses.
func (f *flow) addFunction(function string) {
	if f.wholeFunctions[function] {
		return
	}
	f.wholeFunctions[function] = true
	for _, n := range f.library[function].GetNodeDef() {
		f.addOperation(n)
		f.addFunction(f.calledFunction(n))
	}
}

// addFunctionsOf adds the operations that another flow has reached, and the functions
// that they use.
func (f *flow) addFunctionsOf(other *flow) {
	for _, n := range other.reached {
		f.addOperation(n)
		f.addFunction(f.calledFunction(n))
	}
}

// functionsOf returns the functions that a node's attributes name.
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

// walk goes from tensors back to inputs, in the graph or in the body of a function.
type walk struct {
	flow    *flow
	nodes   map[string]*nodepb.NodeDef
	seen    map[string]bool
	stopsAt func(tensor string) bool // reports whether the walk ends at this tensor
	onNode  func(n *nodepb.NodeDef, output int)
}

// traceOutputs walks from these outputs of a function, and from the operations that it
// always runs.
func (w *walk) traceOutputs(def *functionpb.FunctionDef, outputs ...int) {
	all := def.GetSignature().GetOutputArg()
	for _, i := range outputs {
		if i < len(all) {
			w.traceInput(def.GetRet()[all[i].GetName()])
		}
	}
	for _, name := range def.GetControlRet() {
		w.traceInput("^" + name)
	}
}

// traceInput walks from a node's input: "operation" or "operation:1", in a function
// "operation:output:1". "^operation" is a control input: an operation that must run
// before.
func (w *walk) traceInput(ref string) {
	if w.seen[ref] {
		return
	}
	w.seen[ref] = true
	name, control := strings.CutPrefix(ref, "^")
	if !control && w.stopsAt(ref) {
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
	w.onNode(n, output)
	w.flow.addOperation(n)
	needed := w.flow.neededInputs(n, output)
	for i, in := range n.GetInput() {
		if i >= len(needed) || needed[i] { // control inputs come after the arguments
			w.traceInput(in)
		}
	}
}

// outputIndex returns the number, from 0, of the node's tensor that an input names.
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

// pythonOps call a function of the Python process that made the model. No SavedModel
// contains that function (tensorflow/core/ops/script_ops.cc).
var pythonOps = []string{"PyFunc", "PyFuncStateless", "EagerPyFunc"}

// needsPython returns a *ModelError if a reached operation calls a Python function.
func (f *flow) needsPython(path string) error {
	for _, op := range pythonOps {
		if node, there := f.nodeByOp[op]; there {
			return &ModelError{Path: path, Problem: fmt.Sprintf("node %s (%s) calls a Python function, as tf.numpy_function and tf.py_function do, which no saved model holds", node, op),
				Remedy: "export it with TensorFlow's operations in its place, or choose other outputs with output_mapping"}
		}
	}
	return nil
}
