package model

import (
	"fmt"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// InitialValues are values of another model with which variables of a training begin.
type InitialValues struct {
	Path   string // as the user named it
	Prefix string // of the checkpoint that has the values
	// Taken are variables and the keys of their values.
	Taken []TakenValue
	// Left has, for each variable of the model that begins with the graph's own value,
	// the reason.
	Left []string
	// Unused are the names of variables there whose values no variable takes, sorted.
	Unused []string
}

// TakenValue is a variable, and the key of its value in another checkpoint.
type TakenValue struct{ Variable, Key string }

// String says what variables begin with, for the user.
func (v *InitialValues) String() string {
	text := fmt.Sprintf("%d of %d variables begin with values of %s", len(v.Taken), len(v.Taken)+len(v.Left), v.Path)
	if len(v.Left) > 0 {
		text += "; left out: " + listed(v.Left)
	}
	if len(v.Unused) > 0 {
		text += "; unused there: " + listed(v.Unused)
	}
	return text
}

// listed joins reasons for a message, and counts those beyond the first.
func listed(reasons []string) string {
	if more := len(reasons) - maxMisfits; more > 0 {
		reasons = append(reasons[:maxMisfits:maxMisfits], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(reasons, ", ")
}

// ValuesOf finds the values of another model with which a training can begin. path is a
// checkpoint, a folder of them, or a SavedModel.
//
// The variables are those that the loss or a signature other than that of a step needs:
// the optimizer's state and the count of updates are a training's own. A value is found
// by the object graphs, if both models have one with the names of attributes, else by
// the variable's name: the same, or the same but for its first part, which Keras makes
// of the model's name. Type and shape must be equal.
//
// If there is no value that fits, the error is a *ModelError that says why.
func (t *Training) ValuesOf(path string) (*InitialValues, error) {
	prefix, err := findValues(path)
	if err != nil {
		return nil, err
	}
	b, err := completeBundle(prefix)
	if err != nil {
		return nil, err
	}
	m, err := t.newValueMatcher(b)
	if err != nil {
		return nil, err
	}
	values := &InitialValues{Path: path, Prefix: prefix}
	used := map[string]bool{}
	for _, v := range t.modelVariables() {
		key, reason := m.find(v)
		if key == "" {
			values.Left = append(values.Left, fmt.Sprintf("%s (%s)", v.name(), reason))
			continue
		}
		values.Taken, used[key] = append(values.Taken, TakenValue{v.node.GetName(), key}), true
	}
	if len(values.Taken) == 0 {
		return nil, &ModelError{Path: path, Problem: "none of its values fits a variable of the graph " + t.Path + ": " + listed(values.Left),
			Remedy: "give the checkpoint or SavedModel of a model that has variables of the same names and shapes"}
	}
	for name, keys := range m.byName {
		if !slices.ContainsFunc(keys, func(key string) bool { return used[key] }) {
			values.Unused = append(values.Unused, name)
		}
	}
	slices.Sort(values.Unused)
	return values, nil
}

// findValues returns the prefix of the checkpoint that path means.
func findValues(path string) (string, error) {
	if !holdsSavedModel(path) {
		if prefix, err := FindCheckpoint(path); err == nil {
			if newest := newestComplete(path); CheckpointProblem(prefix) != "" && newest != "" { // path is their folder
				return newest, nil
			}
			return prefix, nil
		}
	}
	settled, _, err := Source{Model: path}.Resolve()
	if err != nil {
		return "", err
	}
	if settled.Frozen() {
		return "", &ModelError{Path: path, Problem: "a frozen graph has no values of variables", Remedy: "give a checkpoint, or a SavedModel that was not frozen"}
	}
	return variablesOf(settled.Model), nil
}

// modelVariables returns the variables that are not a step's alone.
func (t *Training) modelVariables() []*trainedVariable {
	f := newFlow(t.graph.pb.GetGraphDef())
	f.traceAll(t.EvalMetrics)
	if len(t.updates) > 0 {
		f.traceAll(t.Metrics)
	}
	for _, sig := range t.graph.Signatures {
		if sig.Name != t.Train.Name && sig.Name+allReduceSuffix != t.Train.Name && sig.Name != t.Train.Name+allReduceSuffix {
			f.traceAll(sig.Outputs)
		}
	}
	needed := map[[2]string]bool{}
	for _, v := range t.graph.variables(f) {
		needed[v.key()] = true
	}
	var found []*trainedVariable
	for i := range t.variables {
		v := &t.variables[i]
		slot := colocated(v.node) != "" && colocated(v.node) != v.node.GetName()
		if alone := len(needed) == 0 && !slot; v.key != "" && v != t.counter && (alone || needed[v.variable.key()]) {
			found = append(found, v)
		}
	}
	return found
}

// valueMatcher finds values of a checkpoint for variables.
type valueMatcher struct {
	bundle *bundle
	byPath map[string]string   // key of a variable -> key there
	byName map[string][]string // name of a variable there -> keys
	tails  map[string][]string // the same, without the first part of the name
	names  map[string]string   // key of a variable -> its name in the program, if the graph has another
}

func (t *Training) newValueMatcher(b *bundle) (*valueMatcher, error) {
	m := &valueMatcher{bundle: b, byName: map[string][]string{}, tails: map[string][]string{}, names: map[string]string{}}
	names, err := keysByName(b)
	if err != nil {
		return nil, err
	}
	for name, keys := range names {
		if strings.HasPrefix(name, "\x00") { // a slice of a partitioned variable, which has an entry too
			continue
		}
		name = strings.TrimSuffix(name, ":0")
		m.byName[name] = append(m.byName[name], keys...)
		m.tails[tail(name)] = append(m.tails[tail(name)], keys...)
	}
	if t.objects == nil {
		return m, nil
	}
	objects, err := readObjectGraph(t.Initial)
	if err != nil {
		return nil, err
	}
	for _, node := range objects.GetNodes() {
		for _, a := range node.GetAttributes() {
			m.names[a.GetCheckpointKey()] = strings.TrimSuffix(a.GetFullName(), ":0")
		}
	}
	var wants []wanted
	for _, v := range t.variables {
		wants = append(wants, v.wanted())
	}
	m.byPath, err = keysByPath(t.Path, b, objects, wants)
	return m, err
}

// tail returns a variable's name without its first part, if two are left.
func tail(name string) string {
	if _, rest, found := strings.Cut(name, "/"); found && strings.Contains(rest, "/") {
		return rest
	}
	return name
}

// find returns the key of a variable's value, or the reason why there is none.
func (m *valueMatcher) find(v *trainedVariable) (key, reason string) {
	if v.slice != "" {
		return "", "it is a part of a partitioned variable"
	}
	name := m.names[v.key]
	if name == "" {
		name = v.name()
	}
	tries := [][]string{m.byName[name], m.byName[tail(name)], m.tails[name], m.tails[tail(name)]}
	if at := m.byPath[v.key]; at != "" {
		tries = append([][]string{{at}}, tries...)
	}
	w := v.wanted()
	for _, keys := range tries {
		entry := m.only(keys)
		switch {
		case entry == nil && len(keys) > 0 && reason == "":
			reason = fmt.Sprintf("several values there have this name: %s", few(keys))
		case entry == nil:
		case w.fits(entry):
			return keys[0], ""
		case reason == "":
			reason = fmt.Sprintf("%s here, %s %s there", w, DType(entry.GetDtype()), ShapeString(entryShape(entry)))
		}
	}
	if reason == "" {
		reason = "not there"
	}
	return "", reason
}

// only returns the value under keys, if all have the same one.
func (m *valueMatcher) only(keys []string) *corepb.BundleEntryProto {
	if len(keys) == 0 {
		return nil
	}
	first := m.bundle.entries[keys[0]]
	if first == nil || slices.ContainsFunc(keys, func(key string) bool {
		other := m.bundle.entries[key]
		return other == nil || !sameValue(first, other)
	}) {
		return nil
	}
	return first
}
