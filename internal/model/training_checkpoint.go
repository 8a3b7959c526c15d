package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// valueKey is where a checkpoint has a variable's value. first is as in trainedVariable.
type valueKey struct{ key, slice, first string }

// checkpointKeys maps variable nodes to their places in a checkpoint. The graph's saver
// tells, or else the object graph, or else the variables' names.
func (t *Training) checkpointKeys() (map[string]valueKey, error) {
	keys := t.savedKeys()
	if len(keys) == 0 && t.Initial != "" {
		byNode, err := t.graph.checkpointKeys(t.Initial)
		if err != nil {
			return nil, err
		}
		for node, key := range byNode {
			keys[node] = valueKey{key: key}
		}
	}
	if len(t.graph.pb.GetObjectGraphDef().GetNodes()) > 0 {
		return keys, nil
	}
	defs, err := t.variableCollection(globalCollection)
	for _, def := range defs {
		node := nodeOf(def.GetVariableName())
		if _, saved := keys[node]; saved {
			continue
		}
		if info := def.GetSaveSliceInfoDef(); info != nil {
			return nil, &ModelError{Path: t.Path, Problem: fmt.Sprintf("the variable %s is a part of %s, and the graph's saver does not have it", node, info.GetFullName()),
				Remedy: "write the .meta file with tf.compat.v1.train.Saver().save"}
		}
		keys[node] = valueKey{key: node, first: nodeOf(def.GetInitializerName())}
	}
	return keys, err
}

// nodeOf returns the name of a tensor's operation.
func nodeOf(tensor string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(tensor, "^"), ":")
	return name
}

// savedKeys maps variable nodes to the places from which the graph's saver restores
// them. It is empty if the saver works in functions, as that of tf.saved_model.save.
func (t *Training) savedKeys() map[string]valueKey {
	keys, def := map[string]valueKey{}, t.graph.pb.GetGraphDef()
	restored := newFlow(def)
	if op := t.graph.pb.GetSaverDef().GetRestoreOpName(); op != "" {
		restored.traceTensor("^" + op)
	}
	source := func(tensor string) string { // behind Identity
		for {
			n := restored.nodes[nodeOf(tensor)]
			if n.GetOp() != "Identity" || len(n.GetInput()) == 0 {
				return indexed(tensor)
			}
			tensor = n.GetInput()[0]
		}
	}
	for _, n := range restored.reached {
		if n.GetOp() != "Assign" && n.GetOp() != "AssignVariableOp" || len(n.GetInput()) < 2 {
			continue
		}
		tensor := source(n.GetInput()[1])
		restore := restored.nodes[nodeOf(tensor)]
		if restore.GetOp() != "RestoreV2" || len(restore.GetInput()) < 3 {
			continue
		}
		i := restored.outputIndex(restore, tensor)
		names, parts := restored.constantTexts(restore.GetInput()[1]), restored.constantTexts(restore.GetInput()[2])
		if i < len(names) && i < len(parts) {
			keys[nodeOf(n.GetInput()[0])] = valueKey{key: string(names[i]), slice: string(parts[i])}
		}
	}
	return keys
}

// constantTexts returns the strings of a constant, or nil.
func (f *flow) constantTexts(tensor string) [][]byte {
	return f.nodes[nodeOf(tensor)].GetAttr()["value"].GetTensor().GetStringVal()
}

// ownSaver reports whether the graph needs a saver of tfos: it has none for all of its
// variables.
func (t *Training) ownSaver() bool {
	saver := t.graph.pb.GetSaverDef()
	if saver.GetVersion() != corepb.SaverDef_V2 || saver.GetSaveTensorName() == "" || saver.GetFilenameTensorName() == "" {
		return true
	}
	saved := t.savedKeys()
	return slices.ContainsFunc(t.variables, func(v trainedVariable) bool {
		_, there := saved[v.node.GetName()]
		return v.key != "" && !there
	})
}

// savedObjects returns the object graph that the graph's saver saves. same tells whether
// it saves nothing else but the variables, under the keys from which it restores them.
func (t *Training) savedObjects() (objects []byte, same bool) {
	saved := newFlow(t.graph.pb.GetGraphDef())
	saved.traceTensor(t.graph.pb.GetSaverDef().GetSaveTensorName())
	wanted := map[valueKey]string{} // variable nodes
	for _, v := range t.variables {
		if v.key != "" {
			wanted[valueKey{key: v.key, slice: v.slice}] = v.node.GetName()
		}
	}
	for _, n := range saved.reached {
		if n.GetOp() != "SaveV2" || len(n.GetInput()) < 3 {
			continue
		}
		names, parts := saved.constantTexts(n.GetInput()[1]), saved.constantTexts(n.GetInput()[2])
		for i, value := range n.GetInput()[3:] {
			if strings.HasPrefix(value, "^") {
				break // the inputs that follow are operations
			}
			if i >= len(names) || i >= len(parts) {
				return nil, false
			}
			at := valueKey{key: string(names[i]), slice: string(parts[i])}
			if text := saved.constantTexts(value); at.key == objectGraph && len(text) == 1 {
				objects = text[0]
			} else if variable, there := wanted[at]; !there || variable != saved.variableRead(value) {
				return nil, false
			}
			delete(wanted, at)
		}
	}
	return objects, len(wanted) == 0
}

// variableRead returns the node of the variable whose value a tensor is.
func (f *flow) variableRead(tensor string) string {
	n := f.nodes[nodeOf(tensor)]
	for n != nil && (n.GetOp() == "Identity" || n.GetOp() == "ReadVariableOp") && len(n.GetInput()) > 0 {
		n = f.nodes[nodeOf(n.GetInput()[0])]
	}
	return n.GetName()
}

// findObjects sets the object graph that checkpoints of tfos's saver carry, with which
// TensorFlow 2 reads them: that of the first checkpoint, for the variables that are
// saved. It finds their aliases there.
func (t *Training) findObjects() error {
	if t.Initial == "" || !t.ownSaver() {
		return nil
	}
	objects, err := readObjectGraph(t.Initial)
	if err != nil || len(objects.GetNodes()) == 0 {
		return err
	}
	saved, err := t.findAliases(objects)
	if err != nil {
		return err
	}
	for _, node := range objects.GetNodes() {
		node.Attributes = slices.DeleteFunc(node.GetAttributes(), func(a *corepb.TrackableObjectGraph_TrackableObject_SerializedTensor) bool {
			return !saved[a.GetCheckpointKey()]
		})
	}
	if t.objects, err = proto.Marshal(objects); err != nil {
		return &ModelError{Path: t.Path, Problem: "its object graph cannot be written", Err: err}
	}
	return nil
}

// findAliases sets the aliases of variables: keys that no variable of the graph has, of
// a variable with the same name and value in the first checkpoint. A name that several
// variables of the graph have tells nothing. findAliases returns all keys that are saved.
func (t *Training) findAliases(objects *corepb.TrackableObjectGraph) (map[string]bool, error) {
	b, err := readBundle(t.Initial)
	if err != nil {
		return nil, err
	}
	names, owners, saved := map[string]string{}, map[string][]*trainedVariable{}, map[string]bool{}
	for _, node := range objects.GetNodes() {
		for _, a := range node.GetAttributes() {
			names[a.GetCheckpointKey()] = a.GetFullName()
		}
	}
	for i := range t.variables {
		v := &t.variables[i]
		saved[v.key] = true
		if name := names[v.key]; name != "" {
			owners[name] = append(owners[name], v)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		of := owners[names[key]]
		if len(of) == 1 && !saved[key] && b.entries[key] != nil && sameValue(b.entries[key], b.entries[of[0].key]) {
			of[0].aliases, saved[key] = append(of[0].aliases, key), true
		}
	}
	return saved, nil
}

// CheckCheckpoint returns an error if a checkpoint cannot be restored: a data file is
// missing, or a variable's value is missing or has another type or shape. The error is a
// *ModelError that names the variables.
func (t *Training) CheckCheckpoint(prefix string) error {
	b, err := completeBundle(prefix)
	if err != nil {
		return err
	}
	var faults restoreFaults
	for _, v := range t.variables {
		switch w, entry := v.wanted(), b.entries[v.key]; {
		case v.key == "" || v.first != "" && entry == nil:
		case entry == nil:
			faults.addMissing(w)
		case !w.fits(entry):
			faults.addOther(w, entry)
		}
	}
	return faults.err(prefix, t.Path)
}
