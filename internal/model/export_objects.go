package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// matchObjects finds a checkpoint's values for a SavedModel of TensorFlow 2. The export
// has the keys of the SavedModel's own variables, which its restore function reads, and
// the SavedModel's own object graph.
//
// A value is found by the path of names that leads to it, as tf.train.Checkpoint.restore
// finds it. The path starts at the checkpoint's root or at one of its objects:
// tf.train.Checkpoint(model=model) holds the model as such an object. Otherwise it is
// found by the variable's name in the program, if no other variable has it. That is how a SavedModel of Keras 3's
// model.export fits a checkpoint of the model: its objects are lists of variables.
//
// A value that no signature needs, such as an optimiser's, may be missing. The export
// then has the SavedModel's own.
func (e *exporter) matchObjects(b *bundle) error {
	own, err := completeBundle(e.saved.Variables())
	if err != nil {
		return err
	}
	objects, err := own.objects()
	if err != nil {
		return err
	}
	wants := wantedObjects(own, objects)
	byPath, err := keysByPath(e.out.Graph, b, objects, wants)
	if err != nil {
		return err
	}
	byName, err := keysByName(b)
	if err != nil {
		return err
	}
	needed, err := e.neededKeys(own)
	if err != nil {
		return err
	}
	var faults restoreFaults
	named, kept := 0, []string{}
	w := newValuesWriter()
	if own.entries[objectGraph] != nil {
		w.copyValue(objectGraph, own, objectGraph)
	}
	for _, want := range wants {
		key := b.onlyFit(want, []string{byPath[want.key]})
		if key == "" {
			if key = b.onlyFit(want, byName[want.name]); key != "" {
				named++
			}
		}
		other := b.entries[byPath[want.key]]
		switch {
		case key != "":
			w.copyValue(want.key, b, key)
		case !needed[want.key] && other == nil:
			w.copyValue(want.key, own, want.key)
			kept = append(kept, want.key)
		case other != nil:
			faults.addOther(want, other)
		default:
			faults.addMissing(want)
		}
	}
	if err := faults.err(b.prefix, e.out.Graph); err != nil {
		return err
	}
	if named > 0 {
		e.noteNames(named)
	}
	if len(kept) > 0 {
		e.out.Notes = append(e.out.Notes, "values that no signature needs are not in the checkpoint, and are the graph's own: "+few(kept))
	}
	return e.setValues(w)
}

// few lists the first names for a message.
func few(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// wantedObjects lists the values of a SavedModel's own variables, sorted by key.
func wantedObjects(own *bundle, objects *corepb.TrackableObjectGraph) []wanted {
	names, values := map[string]string{}, map[string]*corepb.BundleEntryProto{}
	shared := map[string]bool{} // names of several variables
	for _, node := range objects.GetNodes() {
		for _, a := range node.GetAttributes() {
			name, entry := a.GetFullName(), own.entries[a.GetCheckpointKey()]
			names[a.GetCheckpointKey()] = name
			if was := values[name]; was != nil && !sameValue(was, entry) {
				shared[name] = true
			}
			values[name] = entry
		}
	}
	var wants []wanted
	for _, key := range slices.Sorted(maps.Keys(own.entries)) {
		if key == objectGraph {
			continue
		}
		entry := own.entries[key]
		name := names[key]
		if shared[name] {
			name = ""
		}
		wants = append(wants, wanted{key: key, name: name, dtype: DType(entry.GetDtype()), shape: entryShape(entry), known: true})
	}
	return wants
}

// sameValue reports whether two values of one checkpoint are equal, as those of one
// variable are that Keras 3 saves under two keys.
func sameValue(a, b *corepb.BundleEntryProto) bool {
	if len(a.GetSlices()) > 0 || len(b.GetSlices()) > 0 { // their checksums are those of the slices
		return a == b
	}
	return a.GetCrc32C() == b.GetCrc32C() && a.GetDtype() == b.GetDtype() && slices.Equal(entryShape(a), entryShape(b))
}

// keysByPath maps keys of a SavedModel's own variables to those of the same objects in
// the checkpoint. It tries the checkpoint's root and each object there. The one with
// the most values that fit counts. If two fit equally well, with other values, the
// error is a *ModelError, in which graph is the SavedModel's name.
func keysByPath(graph string, b *bundle, objects *corepb.TrackableObjectGraph, wants []wanted) (map[string]string, error) {
	tracked, err := b.objects()
	if err != nil || len(tracked.GetNodes()) == 0 {
		return nil, err
	}
	roots := []*corepb.TrackableObjectGraph_TrackableObject_ObjectReference{{LocalName: "the root"}}
	roots = append(roots, tracked.GetNodes()[0].GetChildren()...)
	var best map[string]string
	most, name := 0, ""
	var rival string
	for _, root := range roots {
		keys := pairKeys(objects, tracked, root.GetNodeId())
		fitting := 0
		for _, w := range wants {
			if entry := b.entries[keys[w.key]]; entry != nil && w.fits(entry) {
				fitting++
			}
		}
		switch {
		case fitting > most:
			best, most, name, rival = keys, fitting, root.GetLocalName(), ""
		case fitting == most && most > 0 && !maps.Equal(best, keys):
			rival = root.GetLocalName()
		case best == nil && len(keys) > 0:
			best = keys // nothing fits: the message says what it found
		}
	}
	if rival != "" {
		return nil, &ModelError{Path: b.prefix, Problem: fmt.Sprintf("two of its objects fit the graph %s: %s and %s", graph, name, rival),
			Remedy: "save a checkpoint with one of them"}
	}
	return best, nil
}

// pairKeys walks two object graphs side by side, the checkpoint's from node root on. It
// returns the key of each value there by the key of the same value in own.
func pairKeys(own, tracked *corepb.TrackableObjectGraph, root int32) map[string]string {
	keys := map[string]string{}
	pairObjects(own.GetNodes(), tracked.GetNodes(), root, func(_ int32, ours, theirs *corepb.TrackableObjectGraph_TrackableObject) {
		values := map[string]string{}
		for _, a := range theirs.GetAttributes() {
			values[a.GetName()] = a.GetCheckpointKey()
		}
		for _, a := range ours.GetAttributes() {
			if key, there := values[a.GetName()]; there {
				keys[a.GetCheckpointKey()] = key
			}
		}
	})
	return keys
}

// neededKeys returns the keys of the variables that the kept signatures need.
func (e *exporter) neededKeys(own *bundle) (map[string]bool, error) {
	byNode, err := e.source.checkpointKeys(own.prefix)
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	for name, pb := range e.pb.GetSignatureDef() {
		if name == initSignature {
			continue
		}
		flow := e.source.dependencies(signatureFromProto(name, pb), nil)
		for _, v := range e.source.variables(flow) {
			if key, known := byNode[v.node.GetName()]; known {
				needed[key] = true
			}
		}
	}
	return needed, nil
}
