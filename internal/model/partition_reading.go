package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
)

// functionReading is what a function does with a divided variable. An operation is of
// the update if its _class names the variable, or if it uses a handle in another way
// than to look up rows.
type functionReading struct {
	functionUse
	partition *partition
	nodes     map[string]*nodepb.NodeDef
	users     map[string][]*nodepb.NodeDef // of a node's tensors
	returned  map[string]bool              // nodes whose tensors the function returns

	lookups []lookup
	unused  []string // operations that read the whole variable for nobody
	update  []*nodepb.NodeDef
	inside  map[string]bool // the nodes of update
	kinds   map[string]kind // of nodes of update, and of tensors that come from outside
	indices string          // the tensor of kind indices. "": the update takes none
	sparse  []string        // the tensors of kind sparse from outside, sorted
	shapes  []string        // the constants of kind shapeOf from outside, sorted
}

// lookup is a gather of rows, and the operation that reads the variable for it: "" if
// gather does that itself.
type lookup struct {
	read   string
	gather *nodepb.NodeDef
}

// read finds out what a function does with the variable. An error says what cannot be
// divided.
func (p *partition) read(use functionUse) (*functionReading, error) {
	r := &functionReading{functionUse: use, partition: p, nodes: map[string]*nodepb.NodeDef{}, users: map[string][]*nodepb.NodeDef{},
		returned: map[string]bool{}, inside: map[string]bool{}, kinds: map[string]kind{}}
	for _, n := range use.function.GetNodeDef() {
		r.nodes[n.GetName()] = n
		for _, in := range n.GetInput() {
			if !strings.HasPrefix(in, "^") {
				r.users[nodeOf(in)] = append(r.users[nodeOf(in)], n)
			}
		}
	}
	for _, tensor := range use.function.GetRet() {
		r.returned[nodeOf(tensor)] = true
	}
	for _, n := range use.function.GetNodeDef() {
		if r.isCall(n) {
			continue
		}
		v := r.handle(n)
		switch {
		case v == p.variable && colocated(n) == "" && r.looksUp(n):
		case v != nil || colocated(n) == p.variable.node.GetName():
			r.update, r.inside[n.GetName()] = append(r.update, n), true
		}
	}
	for _, n := range r.update {
		if k, err := r.kindOf(n.GetName()); err != nil {
			return nil, err
		} else if k != noTensor && r.leaves(n) {
			return nil, fmt.Errorf("%s (%s) is used outside of its update", n.GetName(), n.GetOp())
		}
	}
	slices.Sort(r.sparse)
	slices.Sort(r.shapes)
	return r, nil
}

// handle returns the variable or slot variable whose handle is the node's first input.
func (r *functionReading) handle(n *nodepb.NodeDef) *trainedVariable {
	if len(n.GetInput()) == 0 {
		return nil
	}
	return r.arguments[n.GetInput()[0]]
}

// isCall reports whether a node only hands a handle on. handles.follow has seen it.
func (r *functionReading) isCall(n *nodepb.NodeDef) bool {
	return n.GetOp() == "StatefulPartitionedCall" || n.GetOp() == "PartitionedCall"
}

// leaves reports whether a tensor of a node of the update is used outside of it.
func (r *functionReading) leaves(n *nodepb.NodeDef) bool {
	return r.returned[n.GetName()] || slices.ContainsFunc(r.users[n.GetName()], func(user *nodepb.NodeDef) bool { return !r.inside[user.GetName()] })
}

// looksUp records an operation that gathers rows of the variable, or reads it for such
// operations alone.
func (r *functionReading) looksUp(n *nodepb.NodeDef) bool {
	name := n.GetName()
	switch {
	case n.GetOp() == "ResourceGather" && n.GetAttr()["batch_dims"].GetI() == 0:
		r.lookups = append(r.lookups, lookup{gather: n})
		return true
	case n.GetOp() != "ReadVariableOp" || r.returned[name]:
		return false
	}
	for _, user := range r.users[name] {
		if !r.gathersRows(user) || nodeOf(user.GetInput()[0]) != name || colocated(user) != "" {
			return false
		}
	}
	for _, user := range r.users[name] {
		r.lookups = append(r.lookups, lookup{name, user})
	}
	if len(r.users[name]) == 0 {
		r.unused = append(r.unused, name)
	}
	return true
}

// gathersRows reports whether a node gathers along the first dimension.
func (r *functionReading) gathersRows(n *nodepb.NodeDef) bool {
	if n.GetOp() != "GatherV2" || len(n.GetInput()) < 3 || n.GetAttr()["batch_dims"].GetI() != 0 {
		return false
	}
	axis, known := r.constant(n.GetInput()[2])
	return known && slices.Equal(axis, []int64{0})
}

// constant returns the integers of a constant.
func (r *functionReading) constant(tensor string) ([]int64, bool) {
	n := r.nodes[nodeOf(tensor)]
	if n.GetOp() != "Const" {
		return nil, false
	}
	return integers(n.GetAttr()["value"].GetTensor())
}

// elementwise are operations whose result has the shape of their inputs.
var elementwise = []string{"Abs", "Add", "AddV2", "Cast", "Div", "DivNoNan", "Equal", "Exp", "Greater", "GreaterEqual", "Identity", "IsNan", "Less", "LessEqual", "Log",
	"LogicalAnd", "LogicalNot", "LogicalOr", "Maximum", "Minimum", "Mul", "Neg", "NotEqual", "Pow", "RealDiv", "Reciprocal", "Rsqrt", "Select", "SelectV2",
	"Sign", "Sqrt", "Square", "Sub", "Tanh", "ZerosLike"}

// kindOf returns the kind of a node of the update.
func (r *functionReading) kindOf(name string) (kind, error) {
	if k, known := r.kinds[name]; known {
		return k, nil
	}
	n := r.nodes[name]
	k := noTensor
	refused := fmt.Errorf("%s (%s) cannot be computed for a part of its rows", n.GetName(), n.GetOp())
	var in []kind
	for i, tensor := range n.GetInput() {
		if strings.HasPrefix(tensor, "^") || i == 0 && (r.handle(n) != nil || n.GetOp() == "ReadVariableOp") {
			continue
		}
		k, err := r.kindOfInput(tensor)
		if err != nil {
			return noTensor, err
		}
		in = append(in, k)
	}
	switch op := n.GetOp(); {
	case r.handle(n) != nil && op == "ReadVariableOp":
		k = dense
	case r.handle(n) != nil:
		if !assigns(op, in) {
			return noTensor, refused
		}
	case op == "UnsortedSegmentSum" && slices.Equal(in, []kind{sparse, indices, count}):
		k = dense
	case op == "GatherV2" && r.gathersRows(n) && slices.Equal(in, []kind{dense, indices, same}):
		k = sparse
	case op == "Any" && (slices.Equal(in, []kind{dense, same}) || slices.Equal(in, []kind{rowMask, same})):
		if k = r.kindOfAny(n); k == noTensor {
			return k, refused
		}
	case op == "StatelessIf" && slices.Equal(in, divisionTakes) && r.dividesSparse(n):
		k = sparse // see kindOfInput for the others
	case op == "Identity" && len(in) == 1:
		k = in[0]
	case op == "StridedSlice" && slices.Equal(in, []kind{shapeOf, same, same, same}) && r.startsAtZero(n):
		k = count
	case op == "Const" && len(n.GetAttr()["value"].GetTensor().GetTensorShape().GetDim()) < 2:
		k = same
	case onlySame(in) && (slices.Contains(elementwise, op) || op == "ReadVariableOp"):
		if k = same; !slices.Equal(staticShape(n), []int64{}) {
			return noTensor, refused
		}
	case slices.Contains(elementwise, op):
		if k = broadcast(in); k == noTensor {
			return noTensor, refused
		}
	default:
		return noTensor, refused
	}
	r.kinds[name] = k
	return k, nil
}

// Keras divides a sparse tensor by a dense one in a branch (keras/src/backend/tensorflow/
// sparse.py, elementwise_division). If a divisor is 0 or not a number, the result has
// that row too. Else it has the rows of the dividend. What a row becomes depends on no
// other row, so that each slice may take another branch.
var (
	divisionTakes = []kind{anyRow, rowMask, shapeOf, indices, sparse, dense}
	divisionGives = []kind{sparse, indices, shapeOf}
)

// dividesSparse reports whether an If is such a division. Its branch for the rows of the
// dividend tells. No branch knows the number of rows but by its inputs.
func (r *functionReading) dividesSparse(n *nodepb.NodeDef) bool {
	var ops []string
	for _, attr := range []string{"then_branch", "else_branch"} {
		branch := r.partition.library[n.GetAttr()[attr].GetFunc().GetName()]
		for _, inner := range branch.GetNodeDef() {
			if value, known := integers(inner.GetAttr()["value"].GetTensor()); known && slices.Contains(value, r.partition.variable.wanted().shape[0]) {
				return false
			}
			if attr == "else_branch" {
				ops = append(ops, inner.GetOp())
			}
		}
	}
	slices.Sort(ops)
	return slices.Equal(slices.Compact(ops), []string{"Const", "GatherV2", "Identity", "RealDiv"})
}

// kindOfAny returns what Any has of values for each row.
func (r *functionReading) kindOfAny(n *nodepb.NodeDef) kind {
	axes, known := r.constant(n.GetInput()[1])
	of, shape := staticShape(r.nodes[nodeOf(n.GetInput()[0])]), staticShape(n)
	switch {
	case !known || of == nil || shape == nil:
		return noTensor
	case len(shape) == 0:
		return anyRow
	case len(of) > 1 && !slices.Contains(axes, 0) && !slices.Contains(axes, -int64(len(of))):
		return rowMask
	}
	return noTensor
}

// startsAtZero reports whether a node takes the first element of a vector.
func (r *functionReading) startsAtZero(n *nodepb.NodeDef) bool {
	begin, known := r.constant(n.GetInput()[1])
	return known && slices.Equal(begin, []int64{0}) && n.GetAttr()["shrink_axis_mask"].GetI() == 1
}

// kindOfInput returns the kind of a tensor that a node of the update takes.
func (r *functionReading) kindOfInput(tensor string) (kind, error) {
	name := nodeOf(tensor)
	if r.inside[name] {
		k, err := r.kindOf(name)
		output, _ := strconv.Atoi(tensor[strings.LastIndex(tensor, ":")+1:]) // the name ends so
		switch {
		case err != nil || output == 0:
		case r.nodes[name].GetOp() == "StatelessIf" && output < len(divisionGives):
			k = divisionGives[output]
		default:
			err = fmt.Errorf("%s is not the first output of its operation", tensor)
		}
		return k, err
	}
	if k, known := r.kinds[tensor]; known {
		return k, nil
	}
	k, n, want := noTensor, r.nodes[name], r.partition.variable.wanted().shape
	shape := staticShape(n)
	value, constant := r.constant(tensor)
	switch {
	case n == nil || shape == nil:
	case constant && slices.Equal(value, want):
		k = shapeOf
		r.shapes = append(r.shapes, tensor)
	case len(shape) == 0 || constant && len(value) == 1:
		k = same
	case len(shape) == 1 && r.indices == "" && slices.Contains([]DType{Int32, Int64}, outputType(n)):
		k = indices
		r.indices = tensor
	case len(shape) == len(want) && slices.Equal(shape[1:], want[1:]) && shape[0] != want[0]:
		k = sparse
		r.sparse = append(r.sparse, tensor)
	}
	if k == noTensor {
		return k, fmt.Errorf("its update takes %s, whose shape is %v", tensor, shape)
	}
	r.kinds[tensor] = k
	return k, nil
}
