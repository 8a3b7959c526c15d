package model

import (
	"fmt"
	"maps"
	"slices"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// ownScope is the name scope of the nodes that a program adds to a graph.
const ownScope = "tfos"

// variable is a node that represents a variable. Several nodes may represent the
// same variable.
type variable struct {
	node   *nodepb.NodeDef
	inside bool // the node is in a function
}

// key identifies a variable as TensorFlow does: by container and name.
func (v variable) key() [2]string {
	return [2]string{string(v.node.GetAttr()["container"].GetS()), v.name()}
}

// name returns the variable's shared name, or else the name of its node.
func (v variable) name() string {
	if name := v.node.GetAttr()["shared_name"].GetS(); len(name) > 0 {
		return string(name)
	}
	return v.node.GetName()
}

// byReference reports whether the variable is a reference tensor, as in TensorFlow 1,
// and not a resource.
func (v variable) byReference() bool { return v.node.GetOp() != "VarHandleOp" }

func isVariable(n *nodepb.NodeDef) bool {
	return slices.Contains([]string{"VarHandleOp", "VariableV2", "Variable"}, n.GetOp())
}

// variables returns the variables that a flow has reached, each once: first those of
// the graph in its order, then those inside functions, by function name.
func (g *MetaGraph) variables(f *flow) []variable {
	var found []variable
	known := map[[2]string]bool{}
	add := func(v variable) {
		if !known[v.key()] {
			known[v.key()] = true
			found = append(found, v)
		}
	}
	for _, n := range g.pb.GetGraphDef().GetNode() {
		if f.reached[n.GetName()] != nil && isVariable(n) {
			add(variable{node: n})
		}
	}
	functions := newFlow(g.pb.GetGraphDef())
	functions.addFunctionsOf(f)
	for _, name := range slices.Sorted(maps.Keys(functions.wholeFunctions)) {
		for _, n := range functions.library[name].GetNodeDef() {
			if isVariable(n) && len(n.GetAttr()["shared_name"].GetS()) > 0 {
				add(variable{node: n, inside: true})
			}
		}
	}
	return found
}

// addRestores adds nodes that give unfilled variables their values from the
// checkpoint, found by its object graph. It moves these variables from unfilled to
// filled.
func (b *builder) addRestores() error {
	if len(b.unfilled) == 0 || b.restoreOp() == "" {
		return nil
	}
	keys, err := b.checkpointKeys(b.prefix)
	if err != nil {
		return err
	}
	var names [][]byte
	var types []typespb.DataType
	b.unfilled = slices.DeleteFunc(b.unfilled, func(v variable) bool {
		key, known := keys[v.node.GetName()]
		if !known || v.inside || v.byReference() {
			return false
		}
		names, types = append(names, []byte(key)), append(types, v.node.GetAttr()["dtype"].GetType())
		b.filled = append(b.filled, v)
		return true
	})
	if len(names) == 0 {
		return nil
	}
	texts := func(name string, values [][]byte) string {
		t := &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING, TensorShape: vector(len(values)), StringVal: values}
		b.def.Node = append(b.def.Node, constant(ownScope+"/"+name, t))
		return ownScope + "/" + name
	}
	restore := &nodepb.NodeDef{Name: ownScope + "/restore", Op: "RestoreV2",
		Input: []string{b.pb.GetSaverDef().GetFilenameTensorName(), texts("keys", names), texts("slices", make([][]byte, len(names)))},
		Attr:  map[string]*attrpb.AttrValue{"dtypes": {Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{Type: types}}}}}
	b.def.Node = append(b.def.Node, restore)
	for i, v := range b.filled {
		b.def.Node = append(b.def.Node, &nodepb.NodeDef{Name: assignNode(i), Op: "AssignVariableOp",
			Input: []string{v.node.GetName(), fmt.Sprintf("%s:%d", restore.GetName(), i)},
			Attr:  map[string]*attrpb.AttrValue{"dtype": v.node.GetAttr()["dtype"]}})
	}
	return nil
}

func assignNode(i int) string { return fmt.Sprintf("%s/assign_%d", ownScope, i) }

// addChecks adds nodes that tell whether the unfilled variables have values when the
// program has run. An initialiser may have given them values.
func (b *builder) addChecks() []VariableCheck {
	var found []VariableCheck
	for i, v := range b.unfilled {
		n := &nodepb.NodeDef{Name: fmt.Sprintf("%s/filled_%d", ownScope, i), Op: "VarIsInitializedOp", Input: []string{v.node.GetName()}}
		switch {
		case v.byReference():
			n.Op, n.Attr = "IsVariableInitialized", map[string]*attrpb.AttrValue{"dtype": v.node.GetAttr()["dtype"]}
		case v.inside:
			handle := withoutDevice(proto.CloneOf(v.node))
			handle.Name, handle.Input = fmt.Sprintf("%s/variable_%d", ownScope, i), nil
			b.def.Node = append(b.def.Node, handle)
			n.Input = []string{handle.GetName()}
		}
		b.def.Node = append(b.def.Node, n)
		found = append(found, VariableCheck{Tensor: n.GetName() + ":0", Variable: v.name()})
	}
	return found
}

func vector(size int) *shapepb.TensorShapeProto {
	return &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{{Size: int64(size)}}}
}
