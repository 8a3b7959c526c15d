package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// SignatureChoice says which signatures an export has: those of Declare, or those of
// the graph that Keep names, or all.
type SignatureChoice struct {
	Keep    []string                     `json:"keep,omitempty"`
	Declare map[string]DeclaredSignature `json:"declare,omitempty"`
}

// DeclaredSignature maps aliases to tensors of the graph.
type DeclaredSignature struct {
	Inputs  map[string]string `json:"inputs"`
	Outputs map[string]string `json:"outputs"`
}

// predictMethod is the method of signatures that take and return tensors
// (PREDICT_METHOD_NAME of tensorflow/python/saved_model/signature_constants.py).
const predictMethod = "tensorflow/serving/predict"

// chooseSignatures sets the export's signatures.
func (e *exporter) chooseSignatures(choice SignatureChoice) error {
	if e.pb.SignatureDef == nil {
		e.pb.SignatureDef = map[string]*corepb.SignatureDef{}
	}
	kept := choice.Keep
	if len(kept) == 0 && len(choice.Declare) == 0 {
		for _, s := range e.source.Signatures {
			kept = append(kept, s.Name)
		}
		if len(kept) == 0 {
			return e.noSignature()
		}
	}
	for _, name := range kept {
		if _, err := e.source.Signature(name); err != nil {
			return err
		}
	}
	for name := range e.pb.SignatureDef {
		if name != initSignature && !slices.Contains(kept, name) {
			delete(e.pb.SignatureDef, name)
			e.changed = true
		}
	}
	e.forgetObjects(kept)
	for _, name := range slices.Sorted(maps.Keys(choice.Declare)) {
		declared, err := e.declare(name, choice.Declare[name])
		if err != nil {
			return err
		}
		e.pb.SignatureDef[name], e.changed = declared, true
		kept = append(kept, name)
	}
	if len(choice.Declare) > 0 && len(e.pb.GetObjectGraphDef().GetNodes()) > 0 {
		e.out.Notes = append(e.out.Notes, "declared signatures are there for TensorFlow Serving, saved_model_cli and tfos; in Python, tf.saved_model.load shows only those that the program itself saved")
	}
	e.out.Signatures = kept
	return nil
}

// forgetObjects removes signatures that are not kept from the object graph, from which
// Python's tf.saved_model.load makes them.
func (e *exporter) forgetObjects(kept []string) {
	nodes := e.pb.GetObjectGraphDef().GetNodes()
	if len(nodes) == 0 {
		return
	}
	for _, c := range nodes[0].GetChildren() {
		if c.GetLocalName() == "signatures" && int(c.GetNodeId()) < len(nodes) {
			signatures := nodes[c.GetNodeId()]
			signatures.Children = slices.DeleteFunc(signatures.GetChildren(), func(s *corepb.TrackableObjectGraph_TrackableObject_ObjectReference) bool {
				return !slices.Contains(kept, s.GetLocalName())
			})
		}
	}
}

// noSignature returns the error for a graph without signatures, with a declaration
// that a user can copy.
func (e *exporter) noSignature() error {
	refused := &ModelError{Path: e.out.Graph, Problem: "the graph has no signature"}
	ends := e.source.Ends()
	inputs := e.source.placeholdersOf(ends)
	if len(ends) == 0 || len(inputs) == 0 {
		refused.Remedy = "declare one by the names of tensors (tfos show --all lists them)"
		return refused
	}
	side := func(tensors []Tensor) string {
		var parts []string
		for _, p := range nameColumns(tensors) {
			parts = append(parts, fmt.Sprintf("%s: %q", p.Column, p.Name))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	refused.Remedy = "declare one by the names of tensors, such as"
	refused.Command = fmt.Sprintf("signatures: {%s: {inputs: %s, outputs: %s}}", servingDefault, side(inputs), side(ends))
	return refused
}

// declare makes a signature of tensors of the graph.
func (e *exporter) declare(name string, d DeclaredSignature) (*corepb.SignatureDef, error) {
	if name == initSignature {
		return nil, &ModelError{Path: e.out.Graph, Problem: name + " is the name of TensorFlow's own initialiser", Remedy: "choose another name"}
	}
	inputs, err := e.tensorInfos(d.Inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := e.tensorInfos(d.Outputs)
	if err != nil {
		return nil, err
	}
	pb := &corepb.SignatureDef{Inputs: inputs, Outputs: outputs}
	pb.MethodName = predictMethod //lint:ignore SA1019 TensorFlow Serving before 2.4 wants it
	return pb, e.checkInputs(signatureFromProto(name, pb))
}

// tensorInfos describes tensors as the graph has them, by alias.
func (e *exporter) tensorInfos(names map[string]string) (map[string]*corepb.TensorInfo, error) {
	infos := map[string]*corepb.TensorInfo{}
	for _, alias := range slices.Sorted(maps.Keys(names)) {
		name := names[alias]
		if !IsTensorName(name) {
			name += ":0"
		}
		t, err := e.source.Tensor(name)
		if err != nil {
			return nil, err
		}
		shape := &shapepb.TensorShapeProto{UnknownRank: t.UnknownRank}
		for _, d := range t.Shape {
			shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
		}
		infos[alias] = &corepb.TensorInfo{Encoding: &corepb.TensorInfo_Name{Name: t.Name}, Dtype: typespb.DataType(t.Type), TensorShape: shape}
	}
	return infos, nil
}

// checkInputs returns an error if an output needs a placeholder that is no input.
func (e *exporter) checkInputs(sig *Signature) error {
	flow := e.source.dependencies(sig, nil)
	for _, t := range e.source.Placeholders() {
		op, _, _ := strings.Cut(t.Name, ":")
		if flow.reached[op] != nil {
			return &ModelError{Path: e.out.Graph, Problem: fmt.Sprintf("signatures.%s: its outputs need the placeholder %s (%s), which is not among its inputs", sig.Name, t.Name, t),
				Remedy: "add it to the inputs, or name outputs that do not need it"}
		}
	}
	return nil
}
