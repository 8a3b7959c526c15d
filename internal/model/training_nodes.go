package model

import (
	"cmp"
	"fmt"
	"slices"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// zeroSuffix is that of the operation which sets a variable of tfos to 0.
const zeroSuffix = "/zero"

// at returns a builder of the same graph that adds nodes on a device.
func (b *trainingBuilder) at(d device) *trainingBuilder {
	there := *b
	there.on = d
	return &there
}

// add adds a node on the builder's device, and returns its name. TensorFlow's placer
// moves operations that take a variable to the variable's device.
func (b *trainingBuilder) add(name, op string, attrs map[string]*attrpb.AttrValue, inputs ...string) string {
	n := &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs}
	b.addNode(n, b.on)
	return name
}

func (b *trainingBuilder) addNode(n *nodepb.NodeDef, on device) {
	b.set(n, on)
	b.def.Node = append(b.def.Node, n)
}

// addConstant adds a constant, and returns its name.
func (b *trainingBuilder) addConstant(name string, value *tensorpb.TensorProto) string {
	b.addNode(constant(name, value), b.on)
	return name
}

func (b *trainingBuilder) addTexts(name string, values ...string) string {
	t := &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING, TensorShape: vector(len(values))}
	for _, v := range values {
		t.StringVal = append(t.StringVal, []byte(v))
	}
	return b.addConstant(name, t)
}

func (b *trainingBuilder) addInt64(name string, value int64) string {
	return b.addConstant(name, &tensorpb.TensorProto{Dtype: typespb.DataType_DT_INT64, TensorShape: &shapepb.TensorShapeProto{}, Int64Val: []int64{value}})
}

// after names control inputs: operations that run before.
func after(ops ...string) []string {
	var inputs []string
	for _, op := range ops {
		inputs = append(inputs, "^"+op)
	}
	return inputs
}

// group adds an operation that runs others.
func (b *trainingBuilder) group(name string, ops ...string) string {
	return b.add(name, "NoOp", nil, after(ops...)...)
}

// read adds an operation that reads a variable after others have run.
func (b *trainingBuilder) read(name string, v *trainedVariable, ops ...string) string {
	inputs := append([]string{v.node.GetName()}, after(ops...)...)
	if v.byReference() {
		return b.add(name, "Identity", map[string]*attrpb.AttrValue{"T": typeAttr(v.dtype)}, inputs...)
	}
	return b.add(name, "ReadVariableOp", map[string]*attrpb.AttrValue{"dtype": typeAttr(v.dtype)}, inputs...)
}

// assign adds an operation that sets a variable to a tensor.
func (b *trainingBuilder) assign(name string, v *trainedVariable, value string) string {
	if v.byReference() {
		return b.add(name, "Assign", map[string]*attrpb.AttrValue{"T": typeAttr(v.dtype)}, v.node.GetName(), value)
	}
	return b.add(name, "AssignVariableOp", map[string]*attrpb.AttrValue{"dtype": typeAttr(v.dtype)}, v.node.GetName(), value)
}

// ownVariable adds an int64 scalar variable, its reset and its increment.
func (b *trainingBuilder) ownVariable(node *nodepb.NodeDef, on device, before ...string) (zero, increment string) {
	name := node.GetName()
	b.addNode(node, on)
	v := &trainedVariable{variable: variable{node: node}, dtype: Int64}
	zero = b.assign(name+zeroSuffix, v, b.addInt64(name+"/0", 0))
	inputs := append([]string{name, b.addInt64(name+"/1", 1)}, after(before...)...)
	return zero, b.add(name+"/add", "AssignAddVariableOp", map[string]*attrpb.AttrValue{"dtype": typeAttr(Int64)}, inputs...)
}

// addCounter adds what reads the count of updates, and the count itself if the graph has
// none.
func (b *trainingBuilder) addCounter() {
	v, p := b.counter, b.program
	if v.own {
		steps := slices.Clone(b.updates)
		for _, t := range b.Metrics {
			steps = append(steps, nodeOf(t.Name))
		}
		slices.Sort(steps)
		steps = slices.Compact(steps)
		node := proto.CloneOf(v.node)
		_, increment := b.ownVariable(node, b.homes[v.node.GetName()], steps...)
		p.Train.GlobalStep = b.asCount(b.read(counterKey+"/after", v, increment), v)
	} else if p.Train.GlobalStep == "" {
		p.Train.GlobalStep = b.asCount(b.read(counterKey+"/after", v, b.updates...), v)
	}
	p.GlobalStep = b.asCount(b.read(counterKey+"/read", v), v)
}

// asCount returns the int64 tensor of an operation that reads a count.
func (b *trainingBuilder) asCount(read string, v *trainedVariable) string {
	if v.dtype == Int64 {
		return read + ":0"
	}
	return b.add(read+"/count", "Cast", map[string]*attrpb.AttrValue{"SrcT": typeAttr(v.dtype), "DstT": typeAttr(Int64)}, read) + ":0"
}

// Variables on parameter server 0 that trainers share.
const (
	finishedName = ownScope + "/finished"
	stopName     = ownScope + "/stop"
	joinedName   = ownScope + "/joined"
)

// addShared adds a count on parameter server 0. It returns the operation that raises it
// and the tensor of its value.
func (b *trainingBuilder) addShared(name string) (increment, value string) {
	node := variableNode(name, Int64, &shapepb.TensorShapeProto{})
	zero, increment := b.ownVariable(node, device{"ps", 0})
	b.program.zeros = append(b.program.zeros, zero)
	v := &trainedVariable{variable: variable{node: node}, dtype: Int64}
	b.shared = append(b.shared, v)
	return increment, b.read(name+"/read", v) + ":0"
}

// addJoining adds the count of trainers that have opened their sessions, on parameter
// server 0.
func (b *trainingBuilder) addJoining() {
	node := variableNode(joinedName, Int64, &shapepb.TensorShapeProto{})
	zero, increment := b.ownVariable(node, device{"ps", 0})
	ready := b.add(joinedName+"/ready", "VarIsInitializedOp", nil, joinedName)
	v := &trainedVariable{variable: variable{node: node}, dtype: Int64}
	j := &Joining{Ready: ready + ":0", Join: increment, Joined: b.read(joinedName+"/read", v) + ":0"}
	if b.cluster.leads() {
		j.Reset = zero
	}
	b.program.Joining = j
}

// stopInstance is the instance key of the collective sum of wishes to stop. Those of a
// graph count from 1 (scripts/tfos/graph/collective.py).
const stopInstance = 1 << 30

// addCollectiveStop adds the sum of all trainers' wishes to stop.
func (b *trainingBuilder) addCollectiveStop() {
	int32Attr := map[string]*attrpb.AttrValue{"dtype": typeAttr(Int32), "shape": {Value: &attrpb.AttrValue_Shape{Shape: &shapepb.TensorShapeProto{}}}}
	wish := b.add(stopName+"/wish", "Placeholder", int32Attr)
	inputs := []string{wish}
	for i, value := range []int32{int32(b.program.Trainers), 1, stopInstance} { // size, group, instance
		inputs = append(inputs, b.addConstant(fmt.Sprintf("%s/%d", stopName, i),
			&tensorpb.TensorProto{Dtype: typespb.DataType_DT_INT32, TensorShape: &shapepb.TensorShapeProto{}, IntVal: []int32{value}}))
	}
	sum := b.add(stopName+"/sum", "CollectiveReduceV2", map[string]*attrpb.AttrValue{
		"T": typeAttr(Int32), "merge_op": textAttr("Add"), "final_op": textAttr("Id"),
	}, inputs...)
	count := b.add(stopName+"/count", "Cast", map[string]*attrpb.AttrValue{"SrcT": typeAttr(Int32), "DstT": typeAttr(Int64)}, sum)
	b.program.StopWish, b.program.Stopping = wish+":0", count+":0"
}

// addInitialized adds a bool: whether all variables of checkpoints, and those of tfos,
// have values.
func (b *trainingBuilder) addInitialized() {
	scope := ownScope + "/initialized"
	var answers []string
	ask := func(v *trainedVariable) {
		name := fmt.Sprintf("%s/%d", scope, len(answers))
		if v.byReference() {
			b.add(name, "IsVariableInitialized", map[string]*attrpb.AttrValue{"dtype": typeAttr(v.dtype)}, v.node.GetName())
		} else {
			b.add(name, "VarIsInitializedOp", nil, v.node.GetName())
		}
		answers = append(answers, name)
	}
	for i := range b.variables {
		if b.variables[i].key != "" {
			ask(&b.variables[i])
		}
	}
	for _, v := range b.shared {
		ask(v)
	}
	packed := b.add(scope+"/answers", "Pack", map[string]*attrpb.AttrValue{"N": intAttr(len(answers)), "T": typeAttr(Bool)}, answers...)
	axis := b.addConstant(scope+"/axis", &tensorpb.TensorProto{Dtype: typespb.DataType_DT_INT32, TensorShape: vector(1), IntVal: []int32{0}})
	b.program.Initialized = b.add(scope+"/all", "All", nil, packed, axis) + ":0"
}

// addRollback adds a second variable for each one, beside it, and operations that copy
// there and back.
func (b *trainingBuilder) addRollback() {
	scope := ownScope + "/snapshot"
	var kept, back []string
	for i := range b.variables {
		v := &b.variables[i]
		name := fmt.Sprintf("%s/%d", scope, i)
		node := variableNode(name, v.dtype, v.shape)
		if node.Op = v.node.GetOp(); v.byReference() {
			node.Attr = map[string]*attrpb.AttrValue{"dtype": typeAttr(v.dtype), "shape": node.Attr["shape"]}
		}
		b.addNode(node, b.homes[v.node.GetName()])
		copied := &trainedVariable{variable: variable{node: node}, dtype: v.dtype}
		kept = append(kept, b.assign(name+"/keep", copied, b.read(name+"/value", v)))
		back = append(back, b.assign(name+"/restore", v, b.read(name+"/kept", copied)))
	}
	b.program.Snapshot = b.group(scope+"/keep", kept...)
	b.program.Rollback = b.group(scope+"/restore", back...)
}

// addValues adds operations that give variables values of another checkpoint.
func (b *trainingBuilder) addValues(values *InitialValues) {
	scope := ownScope + "/values"
	filename := b.addFilename(scope)
	keys := map[string]string{}
	for _, one := range values.Taken {
		keys[one.Variable] = one.Key
	}
	var taken []*trainedVariable
	for i := range b.variables {
		v := b.variables[i]
		if key, there := keys[cmp.Or(v.whole, v.node.GetName())]; there {
			v.key = key
			taken = append(taken, &v)
		}
	}
	b.program.begin = []Step{{Feeds: map[string]string{filename + ":0": values.Prefix}, Targets: []string{b.addRestore(scope+"/restore", filename, taken...)}}}
}
