package model

import (
	"fmt"
	"maps"
	"slices"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// trainedVariable is a variable of a graph that trains.
type trainedVariable struct {
	variable
	key   string // in checkpoints. "": it is in none, and each member has its own
	slice string // the part of the value under key, as RestoreV2 takes it. "": all
	// aliases are other keys under which TensorFlow 2 saves the value: Keras 3's layers
	// and optimizers both hold a variable.
	aliases []string
	dtype   DType
	shape   *shapepb.TensorShapeProto // nil: not known
	// first is the operation that gives the first value if a checkpoint has none. "":
	// a checkpoint must have one.
	first string
	own   bool   // tfos adds the variable to the graph
	whole string // the node of the variable of which tfos has made this slice. "": it is none
}

// wanted describes the value that a checkpoint must have.
func (v *trainedVariable) wanted() wanted {
	w := wanted{key: v.key, name: v.name(), dtype: v.dtype}
	if v.slice == "" {
		w.shape, w.known = v.dims()
	}
	return w
}

// dims returns the variable's shape, if the graph says it.
func (v *trainedVariable) dims() (shape []int64, known bool) {
	if v.shape == nil || v.shape.GetUnknownRank() {
		return nil, false
	}
	var t Tensor
	t.setShape(v.shape)
	return t.Shape, !slices.Contains(t.Shape, -1)
}

// counterKey is the key of the count of updates that tfos adds to a graph without one.
const counterKey = ownScope + "/" + globalStepName

// findVariables finds the variables that signatures need, and their keys in checkpoints.
// It adds a count of updates if the graph has none.
func (t *Training) findVariables() error {
	needed, must := t.flow(), map[[2]string]bool{}
	for _, v := range t.graph.variables(needed) {
		must[v.key()] = true
	}
	if len(must) == 0 {
		return &ModelError{Path: t.Path, Problem: "a step needs no variable, so that there is nothing to train", Remedy: exportTraining}
	}
	for _, sig := range t.graph.Signatures { // they are exported with the others
		needed.traceAll(sig.Outputs)
	}
	keys, err := t.checkpointKeys()
	if err != nil {
		return err
	}
	for node := range keys { // the graph's saver has them
		needed.traceTensor(node)
	}
	for _, v := range t.graph.variables(needed) {
		key, known := keys[v.node.GetName()]
		if known || must[v.key()] {
			if err := t.addVariable(v, key, known); err != nil {
				return err
			}
		}
	}
	if err := t.findInitializers(); err != nil {
		return err
	}
	if err := t.findCounter(); err != nil {
		return err
	}
	return t.findObjects()
}

// addVariable adds a variable that a step needs, or that a checkpoint has.
func (t *Training) addVariable(v variable, at valueKey, known bool) error {
	attrs := v.node.GetAttr()
	switch {
	case v.inside:
		return &ModelError{Path: t.Path, Problem: fmt.Sprintf("the variable %s is inside a function, where no checkpoint reaches it", v.name()), Remedy: exportTraining}
	case !known && len(t.graph.pb.GetObjectGraphDef().GetNodes()) > 0:
		return &ModelError{Path: t.Path, Problem: fmt.Sprintf("no checkpoint has the variable %s, because no attribute of the saved object holds it", v.name()),
			Remedy: "make it an attribute of the module that tf.saved_model.save saves"}
	}
	t.variables = append(t.variables, trainedVariable{variable: v, key: at.key, slice: at.slice,
		dtype: DType(attrs["dtype"].GetType()), shape: attrs["shape"].GetShape(), first: at.first})
	return nil
}

// findInitializers finds the operations that give first values: to variables that are in
// no checkpoint, on every member; to the others, if there is no checkpoint.
func (t *Training) findInitializers() error {
	global, err := t.variableCollection(globalCollection)
	if err != nil {
		return err
	}
	local, err := t.variableCollection(localCollection)
	if err != nil {
		return err
	}
	if own := t.nodeCollection(localInitCollection); len(own) > 0 && len(t.graph.pb.GetSignatureDef()) == 0 {
		t.start.init = append(t.start.init, own...)
	} else {
		for _, def := range local {
			t.start.init = append(t.start.init, nodeOf(def.GetInitializerName()))
		}
	}
	slices.Sort(t.start.init)
	t.start.init = slices.Compact(t.start.init)
	if t.Initial != "" {
		return nil
	}
	if t.firstInit = t.nodeCollection(initCollection); len(t.firstInit) == 0 {
		for _, def := range global {
			t.firstInit = append(t.firstInit, nodeOf(def.GetInitializerName()))
		}
	}
	if len(t.firstInit) == 0 {
		return &ModelError{Path: t.Path, Problem: "its variables have no values: there is no checkpoint beside it, and its collections name no initialiser",
			Remedy: "write it with tf.compat.v1.train.Saver.save"}
	}
	return nil
}

// findCounter finds the count of updates, or adds one to the graph's variables.
func (t *Training) findCounter() error {
	found, err := t.globalStepVariable()
	if err != nil {
		return err
	}
	for i := range t.variables {
		v := &t.variables[i]
		if v.node.GetName() == found && v.key != "" {
			t.counter = v
			return nil
		}
	}
	t.globalStep = ""
	node := variableNode(counterKey, Int64, &shapepb.TensorShapeProto{})
	t.variables = append(t.variables, trainedVariable{variable: variable{node: node}, key: counterKey, dtype: Int64, shape: node.GetAttr()["shape"].GetShape(), first: counterKey + zeroSuffix, own: true})
	t.counter = &t.variables[len(t.variables)-1]
	return nil
}

// globalStepVariable returns the node of the variable that counts updates, or "". A
// signature says that there is one, or the collection global_step with the train op.
func (t *Training) globalStepVariable() (string, error) {
	f := newFlow(t.graph.pb.GetGraphDef())
	switch {
	case t.globalStep != "":
		f.traceTensor(t.globalStep)
	case len(t.updates) > 0:
		for _, op := range t.updates {
			f.traceTensor("^" + op)
		}
	default:
		return "", nil
	}
	counts := map[string]bool{}
	for _, v := range t.graph.variables(f) {
		dtype := DType(v.node.GetAttr()["dtype"].GetType())
		if (dtype == Int64 || dtype == Int32) && len(v.node.GetAttr()["shape"].GetShape().GetDim()) == 0 {
			counts[v.node.GetName()] = true
		}
	}
	defs, err := t.variableCollection(globalStepName)
	if err != nil {
		return "", err
	}
	names := t.nodeCollection(globalStepName)
	for _, def := range defs {
		names = append(names, def.GetVariableName())
	}
	if t.globalStep != "" { // in a graph without that collection
		names = append(names, globalStepName)
		if len(counts) == 1 {
			names = slices.AppendSeq(names, maps.Keys(counts))
		}
	}
	for _, name := range names {
		if counts[nodeOf(name)] {
			return nodeOf(name), nil
		}
	}
	return "", nil
}

// variableNode makes a variable. Its node has the variable's name.
func variableNode(name string, dtype DType, shape *shapepb.TensorShapeProto) *nodepb.NodeDef {
	return &nodepb.NodeDef{Name: name, Op: "VarHandleOp", Attr: map[string]*attrpb.AttrValue{
		"dtype": typeAttr(dtype), "shape": {Value: &attrpb.AttrValue_Shape{Shape: shape}},
		"shared_name": textAttr(name), "container": textAttr("")}}
}

func typeAttr(d DType) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType(d)}}
}

func intAttr(n int) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_I{I: int64(n)}}
}

func textAttr(text string) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_S{S: []byte(text)}}
}
