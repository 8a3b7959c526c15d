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

// ownScope is where the nodes are that a program adds to a graph.
const ownScope = "tfos"

// variable is a node that stands for a variable. Several may stand for one.
type variable struct {
	node   *nodepb.NodeDef
	inside bool // in a function
}

// key tells variables apart as TensorFlow does, by container and name.
func (v variable) key() [2]string {
	return [2]string{string(v.node.GetAttr()["container"].GetS()), v.name()}
}

// name is the variable's shared name, that of its node where it has none.
func (v variable) name() string {
	if name := v.node.GetAttr()["shared_name"].GetS(); len(name) > 0 {
		return string(name)
	}
	return v.node.GetName()
}

// byReference tells a variable of TensorFlow 1, which is a tensor, from a
// resource.
func (v variable) byReference() bool { return v.node.GetOp() != "VarHandleOp" }

func isVariable(n *nodepb.NodeDef) bool {
	return slices.Contains([]string{"VarHandleOp", "VariableV2", "Variable"}, n.GetOp())
}

// variables are those that a flow has met, each once, in the graph's order;
// then those inside functions, in the order of their names.
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
		if f.main[n.GetName()] != nil && isVariable(n) {
			add(variable{node: n})
		}
	}
	functions := newFlow(g.pb.GetGraphDef())
	functions.follow(f)
	for _, name := range slices.Sorted(maps.Keys(functions.entered)) {
		for _, n := range functions.library[name].GetNodeDef() {
			if isVariable(n) && len(n.GetAttr()["shared_name"].GetS()) > 0 {
				add(variable{node: n, inside: true})
			}
		}
	}
	return found
}

// fill adds the nodes that give the variables which restoring does not fill
// their values of the checkpoint's object graph.
func (b *builder) fill() error {
	if len(b.unfilled) == 0 || b.restoring() == "" {
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

// checks adds the nodes that tell whether the variables that nothing here fills
// have values when the program has run: an initialiser may give them theirs.
func (b *builder) checks() []VariableCheck {
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
