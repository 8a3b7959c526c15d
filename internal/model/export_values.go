package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// findValues finds the values of the export's variables.
func (e *exporter) findValues() error {
	switch {
	case e.frozen:
		return nil
	case e.prefix == "":
		own := e.saved.Variables()
		if !exists(own + indexSuffix) {
			return nil
		}
		b, err := completeBundle(own)
		if err != nil {
			return err
		}
		e.carryValues(b)
		return nil
	}
	b, err := completeBundle(e.prefix)
	if err != nil {
		return err
	}
	if e.saved != nil && len(e.pb.GetObjectGraphDef().GetNodes()) > 0 {
		return e.matchObjects(b)
	}
	return e.matchNames(b)
}

// carryValues has the checkpoint's files as they are.
func (e *exporter) carryValues(b *bundle) {
	for _, path := range append([]string{b.prefix + indexSuffix}, b.dataFiles()...) {
		name := "variables" + strings.TrimPrefix(path, b.prefix)
		e.out.Files = append(e.out.Files, File{path, "variables/" + name})
	}
}

// wanted is a value that the graph restores.
type wanted struct {
	key string
	// name is that of the variable in the program. "": it is not known, or is that of
	// other variables too.
	name  string
	dtype DType
	// shape is nil if the graph does not say it. scalar tells a scalar from that.
	shape []int64
	known bool // the shape is known
}

func (w wanted) String() string {
	if !w.known {
		return w.dtype.String()
	}
	return w.dtype.String() + " " + ShapeString(w.shape)
}

// fits reports whether a value of a checkpoint can be restored.
func (w wanted) fits(entry *corepb.BundleEntryProto) bool {
	return DType(entry.GetDtype()) == w.dtype && (!w.known || slices.Equal(w.shape, entryShape(entry)))
}

func entryShape(entry *corepb.BundleEntryProto) []int64 {
	var shape []int64
	for _, d := range entry.GetShape().GetDim() {
		shape = append(shape, d.GetSize())
	}
	return shape
}

// restoreFaults collects why values of a checkpoint cannot be restored.
type restoreFaults struct{ missing, other []string }

func (m *restoreFaults) addMissing(w wanted) {
	m.missing = append(m.missing, fmt.Sprintf("%s (%s)", w.key, w))
}

func (m *restoreFaults) addOther(w wanted, entry *corepb.BundleEntryProto) {
	m.other = append(m.other, fmt.Sprintf("%s is %s %s in the checkpoint and %s in the graph",
		w.key, DType(entry.GetDtype()), ShapeString(entryShape(entry)), w))
}

// maxMisfits is the most variables that a message lists.
const maxMisfits = 20

func (m *restoreFaults) err(prefix, graph string) error {
	var parts []string
	for _, list := range []struct {
		what  string
		names []string
	}{{"it lacks ", m.missing}, {"", m.other}} {
		names := list.names
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		if more := len(names) - maxMisfits; more > 0 {
			names = append(names[:maxMisfits:maxMisfits], fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, list.what+strings.Join(names, ", "))
	}
	if len(parts) == 0 {
		return nil
	}
	return &ModelError{Path: prefix, Problem: "the checkpoint does not fit the graph " + graph + ": " + strings.Join(parts, "; "),
		Remedy: "give the checkpoint and the graph of one program"}
}

// matchNames finds the values that a graph restores by keys, as TensorFlow 1's do.
func (e *exporter) matchNames(b *bundle) error {
	var faults restoreFaults
	same := true
	found := map[string]string{}
	wants := e.restoredKeys()
	byName, err := keysByName(b)
	if err != nil {
		return err
	}
	for _, w := range wants {
		entry, there := b.entries[w.key]
		switch {
		case there && w.fits(entry):
			found[w.key] = w.key
		case there:
			faults.addOther(w, entry)
		default:
			same = false
			if key := b.onlyFit(w, byName[w.key]); key != "" {
				found[w.key] = key
			} else {
				faults.addMissing(w)
			}
		}
	}
	if err := faults.err(b.prefix, e.out.Graph); err != nil {
		return err
	}
	if same {
		e.carryValues(b)
		return nil
	}
	e.noteNames(len(found))
	w := newValuesWriter()
	for _, key := range slices.Sorted(maps.Keys(found)) {
		w.copyValue(key, b, found[key])
	}
	return e.setValues(w)
}

func (e *exporter) noteNames(count int) {
	e.out.Notes = append(e.out.Notes, fmt.Sprintf("found in the checkpoint by the names of variables: %d", count))
}

func (e *exporter) setValues(w *valuesWriter) error {
	values, err := w.finish()
	if err != nil {
		return &ModelError{Path: e.prefix, Problem: "its values cannot be written", Err: err}
	}
	e.out.Values = values
	return nil
}

// restoredKeys lists what the graph's restore operation reads, sorted by key.
func (e *exporter) restoredKeys() []wanted {
	def := e.pb.GetGraphDef()
	flow := newFlow(def)
	flow.traceTensor("^" + e.pb.GetSaverDef().GetRestoreOpName())
	shapes := e.restoredShapes()
	var wants []wanted
	for _, n := range flow.reached {
		if n.GetOp() != "RestoreV2" || len(n.GetInput()) < 3 {
			continue
		}
		texts := func(input int) [][]byte {
			op, _, _ := strings.Cut(n.GetInput()[input], ":")
			return flow.nodes[op].GetAttr()["value"].GetTensor().GetStringVal()
		}
		keys, slices := texts(1), texts(2)
		for i, t := range n.GetAttr()["dtypes"].GetList().GetType() {
			if i >= len(keys) {
				break // the keys are not a constant: loading tells
			}
			w := wanted{key: string(keys[i]), dtype: DType(t)}
			if i >= len(slices) || len(slices[i]) == 0 { // else the variable is a slice of the value
				w.shape, w.known = shapes(fmt.Sprintf("%s:%d", n.GetName(), i))
			}
			wants = append(wants, w)
		}
	}
	slices.SortFunc(wants, func(x, y wanted) int { return strings.Compare(x.key, y.key) })
	return wants
}

// restoredShapes returns a function that finds the shape of the variable to which a
// tensor is assigned, if the graph has it.
func (e *exporter) restoredShapes() func(tensor string) (shape []int64, known bool) {
	nodes := e.pb.GetGraphDef().GetNode()
	assigns := map[string]string{} // tensor -> variable's node
	copies := map[string]string{}  // tensor -> the same tensor behind Identity
	byName := map[string]int{}
	for i, n := range nodes {
		byName[n.GetName()] = i
		switch in := n.GetInput(); {
		case (n.GetOp() == "Assign" || n.GetOp() == "AssignVariableOp") && len(in) > 1:
			variable, _, _ := strings.Cut(in[0], ":")
			assigns[indexed(in[1])] = variable
		case n.GetOp() == "Identity" && len(in) > 0:
			copies[indexed(in[0])] = n.GetName() + ":0"
		}
	}
	return func(tensor string) ([]int64, bool) {
		variable := assigns[tensor]
		if variable == "" {
			variable = assigns[copies[tensor]]
		}
		at, there := byName[variable]
		if !there {
			return nil, false
		}
		shape := nodes[at].GetAttr()["shape"].GetShape()
		if shape == nil || shape.GetUnknownRank() {
			return nil, false
		}
		var t Tensor
		t.setShape(shape)
		return t.Shape, !slices.Contains(t.Shape, -1)
	}
}

// indexed returns a tensor's name with its index.
func indexed(tensor string) string {
	if !strings.Contains(tensor, ":") {
		return tensor + ":0"
	}
	return tensor
}

// onlyFit returns the only key of keys, if its value fits, or "".
func (b *bundle) onlyFit(w wanted, keys []string) string {
	if len(keys) != 1 {
		return ""
	}
	if entry := b.entries[keys[0]]; entry == nil || !w.fits(entry) {
		return ""
	}
	return keys[0]
}

// keysByName maps the names of variables in the program to their keys in the
// checkpoint, each once. In a checkpoint of TensorFlow 1 a key is such a name itself.
func keysByName(b *bundle) (map[string][]string, error) {
	names := map[string][]string{}
	if b.entries[objectGraph] == nil {
		for key := range b.entries {
			names[key] = []string{key}
		}
		return names, nil
	}
	tracked, err := b.objects()
	if err != nil {
		return nil, err
	}
	for _, node := range tracked.GetNodes() {
		for _, a := range node.GetAttributes() {
			if name := a.GetFullName(); name != "" && !slices.Contains(names[name], a.GetCheckpointKey()) {
				names[name] = append(names[name], a.GetCheckpointKey())
			}
		}
	}
	return names, nil
}
