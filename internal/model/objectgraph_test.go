package model

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// trackedObjects is the object graph of a checkpoint: the root has a layer, which has
// a kernel and a bias; a counter, which has no value; and a table, which is no variable.
func trackedObjects() *corepb.TrackableObjectGraph {
	child := func(name string, id int32) *corepb.TrackableObjectGraph_TrackableObject_ObjectReference {
		return &corepb.TrackableObjectGraph_TrackableObject_ObjectReference{LocalName: name, NodeId: id}
	}
	value := func(name, key string) *corepb.TrackableObjectGraph_TrackableObject_SerializedTensor {
		return &corepb.TrackableObjectGraph_TrackableObject_SerializedTensor{Name: name, CheckpointKey: key}
	}
	type object = corepb.TrackableObjectGraph_TrackableObject
	type children = []*corepb.TrackableObjectGraph_TrackableObject_ObjectReference
	type values = []*corepb.TrackableObjectGraph_TrackableObject_SerializedTensor
	return &corepb.TrackableObjectGraph{Nodes: []*object{
		{Children: children{child("counter", 1), child("layer", 2), child("table", 5)}, Attributes: values{value("VARIABLE_VALUE", "the root's")}},
		{},
		{Children: children{child("bias", 3), child("kernel", 4), child("parent", 0)}},
		{Attributes: values{value("VARIABLE_VALUE", "layer/bias/.VALUE"), value("OPTIONS", "layer/bias/.OPTIONS")}},
		{Attributes: values{value("VARIABLE_VALUE", "layer/kernel/.VALUE")}},
		{Attributes: values{value("VARIABLE_VALUE", "the table's")}},
	}}
}

// savedObjects is the same of a SavedModel, in another order, with a variable that
// the checkpoint lacks. Function f has captured bias, kernel, that variable and the table.
func savedObjects() *corepb.SavedObjectGraph {
	child := func(name string, id int32) *corepb.TrackableObjectGraph_TrackableObject_ObjectReference {
		return &corepb.TrackableObjectGraph_TrackableObject_ObjectReference{LocalName: name, NodeId: id}
	}
	type children = []*corepb.TrackableObjectGraph_TrackableObject_ObjectReference
	variable := &corepb.SavedObject_Variable{Variable: &corepb.SavedVariable{}}
	return &corepb.SavedObjectGraph{
		Nodes: []*corepb.SavedObject{
			{Children: children{child("layer", 1), child("new", 4), child("table", 5)}},
			{Children: children{child("kernel", 2), child("bias", 3), child("parent", 0)}},
			{Kind: variable}, {Kind: variable}, {Kind: variable}, {},
		},
		ConcreteFunctions: map[string]*corepb.SavedConcreteFunction{"f": {BoundInputs: []int32{3, 2, 4, 5}}},
	}
}

// writeCheckpoint writes a checkpoint that holds text as its object graph.
func writeCheckpoint(t *testing.T, text []byte, change func(*corepb.BundleEntryProto)) (prefix string) {
	t.Helper()
	prefix = filepath.Join(t.TempDir(), "variables")
	data := append(binary.AppendUvarint([]byte("before"), uint64(len(text))), 1, 2, 3, 4)
	data = append(data, text...)
	place := &corepb.BundleEntryProto{ShardId: 1, Offset: 6, Size: int64(len(data) - 6)}
	change(place)
	var values [][]byte
	for _, m := range []proto.Message{&corepb.BundleHeaderProto{NumShards: 2}, place} {
		value, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	err := errors.Join(os.WriteFile(prefix+".index", tableOf([]string{"", objectGraph}, values), 0o600),
		os.WriteFile(prefix+".data-00001-of-00002", data, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return prefix
}

// TestCheckpointKeys: a variable's value is that of the object to which the same names
// lead, whatever the numbers of objects; a wrong one would be another variable's value.
func TestCheckpointKeys(t *testing.T) {
	call := &nodepb.NodeDef{Name: "call", Op: "StatefulPartitionedCall", Input: []string{"x", "b:0", "k", "n", "t", "^init"},
		Attr: map[string]*attrpb.AttrValue{"f": {Value: &attrpb.AttrValue_Func{Func: &attrpb.NameAttrList{Name: "f"}}}}}
	graph := &MetaGraph{pb: &corepb.MetaGraphDef{ObjectGraphDef: savedObjects(),
		GraphDef: &graphpb.GraphDef{Node: []*nodepb.NodeDef{{Name: "x", Op: "Placeholder"}, call}}}}
	tracked, err := proto.Marshal(trackedObjects())
	if err != nil {
		t.Fatal(err)
	}
	whole := func(*corepb.BundleEntryProto) {}
	want := map[string]string{"b": "layer/bias/.VALUE", "k": "layer/kernel/.VALUE"}
	if have, err := graph.checkpointKeys(writeCheckpoint(t, tracked, whole)); err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("%v, %v, want %v", have, err, want)
	}
	edges := trackedObjects() // of another model: its objects are fewer
	edges.Nodes = edges.Nodes[:4]
	few, err := proto.Marshal(edges)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := graph.checkpointKeys(writeCheckpoint(t, few, whole)); err != nil || !reflect.DeepEqual(have, map[string]string{"b": "layer/bias/.VALUE"}) {
		t.Errorf("%v, %v", have, err)
	}
	for name, prefix := range map[string]string{
		"no checkpoint":           filepath.Join(t.TempDir(), "variables"),
		"no data":                 writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.ShardId = 0 }),
		"before the file":         writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Offset = -1 }),
		"beyond the file":         writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Offset++ }),
		"of less than nothing":    writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Size = -1 }),
		"of nothing":              writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Size = 0 }),
		"a shorter text":          writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Size-- }),
		"another's text":          writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Offset, e.Size = 0, 6 }),
		"no text, of some bytes":  writeCheckpoint(t, tracked, func(e *corepb.BundleEntryProto) { e.Size = 4 }),
		"a text that is no graph": writeCheckpoint(t, []byte("\xff\xff"), whole),
	} {
		var damaged *ModelError
		if have, err := graph.checkpointKeys(prefix); !errors.As(err, &damaged) {
			t.Errorf("%s: %v, %v", name, have, err)
		}
	}
	graph.pb.ObjectGraphDef = nil // of TensorFlow 1: it names variables itself
	if have, err := graph.checkpointKeys("none"); have != nil || err != nil {
		t.Errorf("%v, %v", have, err)
	}
}

// TestSlotVariables: no name leads to an optimizer's slot variables (tf.keras before
// 2.11). They are found by their variable.
func TestSlotVariables(t *testing.T) {
	type (
		slot   = corepb.TrackableObjectGraph_TrackableObject_SlotVariableReference
		edge   = corepb.TrackableObjectGraph_TrackableObject_ObjectReference
		object = corepb.TrackableObjectGraph_TrackableObject
	)
	value := func(key string) *object {
		return &object{Attributes: []*corepb.TrackableObjectGraph_TrackableObject_SerializedTensor{{Name: valueAttribute, CheckpointKey: key}}}
	}
	tracked := trackedObjects()
	tracked.Nodes[0].Children = append(tracked.Nodes[0].Children, &edge{LocalName: "optimizer", NodeId: 6})
	tracked.Nodes = append(tracked.Nodes, &object{SlotVariables: []*slot{
		{OriginalVariableNodeId: 3, SlotName: "m", SlotVariableNodeId: 7},
		{OriginalVariableNodeId: 4, SlotName: "v", SlotVariableNodeId: 8},
		{OriginalVariableNodeId: 4, SlotName: "m", SlotVariableNodeId: 9},
	}}, value("bias/m"), value("kernel/v"), value("kernel/m"))

	saved := savedObjects()
	variable := saved.Nodes[2].Kind
	saved.Nodes[0].Children = append(saved.Nodes[0].Children, &edge{LocalName: "optimizer", NodeId: 6})
	saved.Nodes = append(saved.Nodes, &corepb.SavedObject{SlotVariables: []*slot{
		{OriginalVariableNodeId: 2, SlotName: "m", SlotVariableNodeId: 7}, // of kernel
		{OriginalVariableNodeId: 3, SlotName: "m", SlotVariableNodeId: 8}, // of bias
		{OriginalVariableNodeId: 3, SlotName: "v", SlotVariableNodeId: 9}, // not in the checkpoint
		{OriginalVariableNodeId: 4, SlotName: "m", SlotVariableNodeId: 10},
	}}, &corepb.SavedObject{Kind: variable}, &corepb.SavedObject{Kind: variable}, &corepb.SavedObject{Kind: variable}, &corepb.SavedObject{Kind: variable})

	want := map[int32]string{2: "layer/kernel/.VALUE", 3: "layer/bias/.VALUE", 7: "kernel/m", 8: "bias/m"}
	if have := objectKeys(saved, tracked); !reflect.DeepEqual(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
}
