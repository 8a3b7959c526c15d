package model

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// valueAttribute is the name of a variable's value in a checkpoint's object graph
// (tensorflow/python/trackable/base.py).
const valueAttribute = "VARIABLE_VALUE"

// checkpointKeys maps the graph's variable nodes to the keys of their values in the
// SavedModel's checkpoint. It is nil for a SavedModel of TensorFlow 1.
//
// It finds variables as Python's tf.saved_model.load does. The last inputs of a
// function call are the objects that the function captured (bound_inputs). An object
// of the SavedModel and one of the checkpoint are the same if the same path of
// names leads to both from the root. Variable names cannot be used: two variables
// may have one name.
func (g *MetaGraph) checkpointKeys(prefix string) (map[string]string, error) {
	objects := g.pb.GetObjectGraphDef()
	if len(objects.GetNodes()) == 0 {
		return nil, nil
	}
	tracked, err := readObjectGraph(prefix)
	if err != nil {
		return nil, err
	}
	byObject, byNode := objectKeys(objects, tracked), map[string]string{}
	for _, n := range g.pb.GetGraphDef().GetNode() {
		bound := objects.GetConcreteFunctions()[n.GetAttr()["f"].GetFunc().GetName()].GetBoundInputs()
		inputs := dataInputs(n)
		for i, captured := range inputs[max(0, len(inputs)-len(bound)):] {
			if key, ok := byObject[bound[i]]; ok {
				byNode[captured] = key
			}
		}
	}
	return byNode, nil
}

// dataInputs returns the names of the nodes whose tensors are inputs of n. Control
// inputs are left out.
func dataInputs(n *nodepb.NodeDef) []string {
	var names []string
	for _, in := range n.GetInput() {
		if !strings.HasPrefix(in, "^") {
			name, _, _ := strings.Cut(in, ":")
			names = append(names, name)
		}
	}
	return names
}

// objectKeys returns the checkpoint key of each variable among a SavedModel's
// objects, by object number. It walks both object graphs side by side.
func objectKeys(objects *corepb.SavedObjectGraph, tracked *corepb.TrackableObjectGraph) map[int32]string {
	keys := map[int32]string{}
	pairObjects(objects.GetNodes(), tracked.GetNodes(), 0, func(at int32, object *corepb.SavedObject, node *corepb.TrackableObjectGraph_TrackableObject) {
		for _, a := range node.GetAttributes() {
			if object.GetVariable() != nil && a.GetName() == valueAttribute {
				keys[at] = a.GetCheckpointKey()
			}
		}
	})
	return keys
}

// parent is an object of an object graph.
type parent interface {
	GetChildren() []*corepb.TrackableObjectGraph_TrackableObject_ObjectReference
	GetSlotVariables() []*corepb.TrackableObjectGraph_TrackableObject_SlotVariableReference
}

// pairObjects walks two object graphs side by side, from ours[0] and theirs[root] on.
// It visits each pair of objects to which the same names lead, and each object of ours
// once at most; at is its number. Slot variables, such as a moment of Adam, are pairs if
// their optimizers, their variables and their names are.
func pairObjects[A, B parent](ours []A, theirs []B, root int32, visit func(at int32, our A, their B)) {
	type pair struct{ our, their int32 }
	paired := map[int32]int32{} // ours -> theirs
	meet := func(at pair) bool {
		if _, seen := paired[at.our]; seen || int(at.our) >= len(ours) || int(at.their) >= len(theirs) {
			return false
		}
		paired[at.our] = at.their
		visit(at.our, ours[at.our], theirs[at.their])
		return true
	}
	for todo := []pair{{0, root}}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !meet(at) {
			continue
		}
		children := map[string]int32{}
		for _, c := range theirs[at.their].GetChildren() {
			children[c.GetLocalName()] = c.GetNodeId()
		}
		for _, c := range ours[at.our].GetChildren() {
			if there, ok := children[c.GetLocalName()]; ok {
				todo = append(todo, pair{c.GetNodeId(), there})
			}
		}
	}
	for our, their := range maps.Clone(paired) {
		for _, s := range ours[our].GetSlotVariables() {
			variable, known := paired[s.GetOriginalVariableNodeId()]
			for _, there := range theirs[their].GetSlotVariables() {
				if known && there.GetSlotName() == s.GetSlotName() && there.GetOriginalVariableNodeId() == variable {
					meet(pair{s.GetSlotVariableNodeId(), there.GetSlotVariableNodeId()})
				}
			}
		}
	}
}

// readObjectGraph reads the object graph of a TensorFlow 2 checkpoint, which is a
// string tensor among its values. A checkpoint without one gives an empty graph.
func readObjectGraph(prefix string) (*corepb.TrackableObjectGraph, error) {
	graph := &corepb.TrackableObjectGraph{}
	damaged := func(path string, err error) error {
		return &ModelError{Path: path, Problem: "it is damaged", Remedy: "copy the model again", Err: err}
	}
	raw, err := os.ReadFile(prefix + indexSuffix)
	if err != nil {
		return nil, &ModelError{Path: prefix + indexSuffix, Problem: "cannot be read", Err: err}
	}
	header, entry := &corepb.BundleHeaderProto{}, (*corepb.BundleEntryProto)(nil)
	err = eachEntry(raw, func(key string, value []byte) error {
		switch key {
		case "":
			return proto.Unmarshal(value, header)
		case objectGraph:
			entry = &corepb.BundleEntryProto{}
			return proto.Unmarshal(value, entry)
		}
		return nil
	})
	if err != nil {
		return nil, damaged(prefix+indexSuffix, err)
	}
	if entry == nil {
		return graph, nil
	}
	path := fmt.Sprintf("%s.data-%05d-of-%05d", prefix, entry.GetShardId(), header.GetNumShards())
	value, err := readText(path, entry)
	if err == nil {
		err = proto.Unmarshal(value, graph)
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	return graph, nil
}

// readText reads a string scalar from a checkpoint's data file. The file holds the
// length as a varint, 4 bytes of checksum of the length, and the string's bytes
// (WriteStringTensor of tensorflow/core/util/tensor_bundle/tensor_bundle.cc).
func readText(path string, entry *corepb.BundleEntryProto) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if entry.GetOffset() < 0 || entry.GetSize() < 0 || entry.GetSize() > info.Size()-entry.GetOffset() {
		return nil, fmt.Errorf("it ends before the value of %s", objectGraph)
	}
	raw := make([]byte, entry.GetSize())
	if _, err := f.ReadAt(raw, entry.GetOffset()); err != nil {
		return nil, err
	}
	length, n := binary.Uvarint(raw)
	if n <= 0 || len(raw) < n+4 || length != uint64(len(raw)-n-4) {
		return nil, fmt.Errorf("the value of %s is no text", objectGraph)
	}
	return raw[n+4:], nil
}
