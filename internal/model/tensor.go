package model

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

var tensorName = regexp.MustCompile(`:[0-9]+$`)

// IsTensorName reports whether s is the name of a graph's tensor, "operation:index",
// and not an alias of a signature.
func IsTensorName(s string) bool { return tensorName.MatchString(s) }

// Tensor returns a tensor of the graph by its name, "operation:index". Its alias is
// that name. If there is no such tensor, the error is a *ModelError.
func (g *MetaGraph) Tensor(name string) (Tensor, error) {
	op, text, _ := strings.Cut(name, ":")
	index, err := strconv.Atoi(text)
	at, there := g.nodes[op]
	if err != nil || !there {
		return Tensor{}, g.noTensor(name, op)
	}
	outputs, err := g.outputTensors(g.pb.GetGraphDef().GetNode()[at])
	if err != nil {
		return Tensor{}, &ModelError{Path: g.path, Problem: fmt.Sprintf("tensor %s: %v", name, err)}
	}
	if index >= len(outputs) {
		return Tensor{}, &ModelError{Path: g.path, Problem: fmt.Sprintf("there is no tensor %s: operation %s has %d outputs", name, op, len(outputs))}
	}
	return outputs[index], nil
}

// noTensor returns the error for a tensor that the graph does not have. It says if the
// operation is inside a function, as layers of a TensorFlow 2 model are: no session
// can fetch its tensors. Otherwise it names a similar tensor, if there is one.
func (g *MetaGraph) noTensor(name, op string) error {
	for _, f := range g.pb.GetGraphDef().GetLibrary().GetFunction() {
		if slices.ContainsFunc(f.GetNodeDef(), func(n *nodepb.NodeDef) bool { return n.GetName() == op }) {
			return &ModelError{Path: g.path, Problem: fmt.Sprintf("tensor %s is inside function %s, where it cannot be reached", name, f.GetSignature().GetName()),
				Remedy: "export a signature that returns it"}
		}
	}
	problem := &ModelError{Path: g.path, Problem: "the graph has no tensor " + name, Remedy: "tfos show --all lists tensors"}
	if near := g.similarTensor(op); near != "" {
		problem.Remedy = "there is " + near
	}
	return problem
}

// similarTensor returns a tensor whose operation has the same last part of its name as
// op, or "".
func (g *MetaGraph) similarTensor(op string) string {
	last := op[strings.LastIndexByte(op, '/')+1:]
	for _, n := range g.pb.GetGraphDef().GetNode() {
		if name := n.GetName(); name == last || strings.HasSuffix(name, "/"+last) {
			return name + ":0"
		}
	}
	return ""
}

// exampleInput returns the name of a placeholder, or a made-up name.
func (g *MetaGraph) exampleInput() string {
	if inputs := g.Placeholders(); len(inputs) > 0 {
		return inputs[0].Name
	}
	return "operation:0"
}

// Tensors returns the graph's tensors that can become columns, in the graph's order.
func (g *MetaGraph) Tensors() []Tensor {
	var found []Tensor
	for _, n := range g.pb.GetGraphDef().GetNode() {
		outputs, err := g.outputTensors(n)
		if err != nil {
			continue // neither the model nor the list of operations describes it
		}
		for _, t := range outputs {
			if t.unfit() == "" {
				found = append(found, t)
			}
		}
	}
	return found
}

// Placeholders returns the tensors that a run must feed, in the graph's order. The
// tensor for the checkpoint's name is left out.
func (g *MetaGraph) Placeholders() []Tensor {
	var found []Tensor
	for _, n := range g.pb.GetGraphDef().GetNode() {
		if n.GetOp() != "Placeholder" {
			continue
		}
		if t, err := g.Tensor(n.GetName() + ":0"); err == nil && t.Name != g.pb.GetSaverDef().GetFilenameTensorName() {
			found = append(found, t)
		}
	}
	return found
}

// Ends returns the tensors that the model's author may have meant as outputs, in the
// graph's order. They have one value a row, depend on a placeholder, and no operation
// takes them. Tensors of unknown rank count, since they may have one value a row.
func (g *MetaGraph) Ends() []Tensor {
	taken := map[string]bool{}
	nodes := g.pb.GetGraphDef().GetNode()
	for _, n := range nodes {
		for _, in := range n.GetInput() {
			if !strings.Contains(in, ":") {
				in += ":0"
			}
			taken[in] = true
		}
	}
	var found []Tensor
	for _, n := range nodes {
		outputs, err := g.outputTensors(n)
		if err != nil || n.GetOp() == "Placeholder" {
			continue
		}
		for _, t := range outputs {
			rows := t.UnknownRank || len(t.Shape) > 0 && t.Shape[0] < 0
			if !taken[t.Name] && t.Type.ElementType() != nil && rows && len(g.placeholdersOf([]Tensor{t})) > 0 {
				found = append(found, t)
			}
		}
	}
	return found
}

// placeholdersOf returns the placeholders that tensors of the graph depend on.
func (g *MetaGraph) placeholdersOf(tensors []Tensor) []Tensor {
	nodes, seen := g.pb.GetGraphDef().GetNode(), map[string]bool{}
	var todo []string
	for _, t := range tensors {
		todo = append(todo, t.Name)
	}
	for len(todo) > 0 {
		name, _, _ := strings.Cut(strings.TrimPrefix(todo[len(todo)-1], "^"), ":")
		todo = todo[:len(todo)-1]
		if at, there := g.nodes[name]; there && !seen[name] {
			seen[name] = true
			todo = append(todo, nodes[at].GetInput()...)
		}
	}
	return slices.DeleteFunc(g.Placeholders(), func(t Tensor) bool {
		name, _, _ := strings.Cut(t.Name, ":")
		return !seen[name]
	})
}

// outputTensors returns the output tensors of a node. It fails if the outputs of the
// node's operation are not known.
func (g *MetaGraph) outputTensors(n *nodepb.NodeDef) ([]Tensor, error) {
	op := g.ops[n.GetOp()]
	if op == nil {
		op = operations()[n.GetOp()].def
	}
	if op == nil {
		return nil, fmt.Errorf("the model does not say what operation %s gives", n.GetOp())
	}
	var outputs []Tensor
	for _, arg := range op.GetOutputArg() {
		for _, t := range argTypes(n, arg) {
			if t > typespb.DataType_DT_FLOAT_REF-1 { // a reference type: the element type is that of its values
				t -= typespb.DataType_DT_FLOAT_REF - typespb.DataType_DT_FLOAT
			}
			name := fmt.Sprintf("%s:%d", n.GetName(), len(outputs))
			out := Tensor{Alias: name, Name: name, Type: DType(t), Default: n.GetOp() == defaultOp}
			out.setShape(outputShape(n, len(outputs)))
			outputs = append(outputs, out)
		}
	}
	return outputs, nil
}

// argTypes returns the types of the tensors that one output argument of an operation
// declares.
func argTypes(n *nodepb.NodeDef, arg *oppb.OpDef_ArgDef) []typespb.DataType {
	if name := arg.GetTypeListAttr(); name != "" {
		return n.GetAttr()[name].GetList().GetType()
	}
	t := arg.GetType()
	if name := arg.GetTypeAttr(); name != "" {
		t = n.GetAttr()[name].GetType()
	}
	count := int64(1)
	if name := arg.GetNumberAttr(); name != "" {
		count = n.GetAttr()[name].GetI()
	}
	return slices.Repeat([]typespb.DataType{t}, int(max(0, min(count, maxOutputs))))
}

// maxOutputs limits the outputs of an operation, so that a damaged graph cannot use
// up the memory.
const maxOutputs = 1 << 16

// outputShape returns the shape of a node's output, if the graph's writer recorded it,
// else nil.
func outputShape(n *nodepb.NodeDef, index int) *shapepb.TensorShapeProto {
	if shapes := n.GetAttr()["_output_shapes"].GetList().GetShape(); index < len(shapes) {
		return shapes[index]
	}
	if a, ok := n.GetAttr()["shape"].GetValue().(*attrpb.AttrValue_Shape); ok && strings.HasPrefix(n.GetOp(), "Placeholder") {
		return a.Shape
	}
	return nil
}
