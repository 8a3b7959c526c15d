package model

import (
	"fmt"
	"slices"
	"strings"

	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// initSignature is how TensorFlow stores a graph's initialiser among the
// signatures; it is nobody's to call.
const initSignature = "__saved_model_init_op"

// MetaGraph is one graph of a SavedModel, or that of a .meta file.
type MetaGraph struct {
	Tags       []string // sorted
	Signatures []*Signature
	path       string // for errors
	pb         *corepb.MetaGraphDef
	nodes      map[string]int // name -> index in pb
	ops        map[string]*oppb.OpDef
}

func newMetaGraph(path string, pb *corepb.MetaGraphDef) *MetaGraph {
	g := &MetaGraph{path: path, pb: pb, nodes: map[string]int{}, ops: map[string]*oppb.OpDef{}}
	g.Tags = slices.Sorted(slices.Values(pb.GetMetaInfoDef().GetTags()))
	for name, s := range pb.GetSignatureDef() {
		if name != initSignature {
			g.Signatures = append(g.Signatures, signatureFromProto(name, s))
		}
	}
	slices.SortFunc(g.Signatures, func(a, b *Signature) int { return strings.Compare(a.Name, b.Name) })
	for i, n := range pb.GetGraphDef().GetNode() {
		g.nodes[n.GetName()] = i
	}
	for _, op := range pb.GetMetaInfoDef().GetStrippedOpList().GetOp() {
		g.ops[op.GetName()] = op
	}
	for _, f := range pb.GetGraphDef().GetLibrary().GetFunction() {
		g.ops[f.GetSignature().GetName()] = f.GetSignature()
	}
	return g
}

func (g *MetaGraph) hasVariables() bool {
	for _, n := range g.pb.GetGraphDef().GetNode() {
		switch n.GetOp() {
		case "VarHandleOp", "VariableV2", "Variable":
			return true
		}
	}
	return false
}

// Signature returns a signature by name. An empty name stands for
// "serving_default", or for the only one there is. None is a *ModelError that
// lists those there are.
func (g *MetaGraph) Signature(name string) (*Signature, error) {
	if name == "" {
		if len(g.Signatures) == 1 {
			return g.Signatures[0], nil
		}
		name = "serving_default"
	}
	names := make([]string, len(g.Signatures))
	for i, s := range g.Signatures {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	if len(names) == 0 {
		return nil, &ModelError{Path: g.path, Problem: "the graph has no signature",
			Remedy: "name tensors, such as " + g.example() + ", in input_mapping and output_mapping"}
	}
	return nil, &ModelError{Path: g.path, Problem: fmt.Sprintf("there is no signature %q", name),
		Remedy: "signatures there: " + list(names)}
}

// Choose returns the signature that mappings with these inputs and outputs
// mean. Each is an alias of the signature of that name (see Signature) or, where
// IsTensorName says so, a tensor of the graph: a tensor in a list stands for
// itself, and the list then says which inputs or outputs there are. Without any
// tensor the signature's are all there; without any alias none is needed.
func (g *MetaGraph) Choose(name string, inputs, outputs []string) (*Signature, error) {
	rawInputs, rawOutputs := slices.ContainsFunc(inputs, IsTensorName), slices.ContainsFunc(outputs, IsTensorName)
	if !rawInputs && !rawOutputs {
		return g.Signature(name)
	}
	chosen, named := &Signature{}, &Signature{}
	alias := func(s string) bool { return !IsTensorName(s) }
	if !rawInputs || !rawOutputs || slices.ContainsFunc(inputs, alias) || slices.ContainsFunc(outputs, alias) {
		var err error
		if named, err = g.Signature(name); err != nil {
			return nil, err
		}
	}
	chosen.Name, chosen.Method = named.Name, named.Method
	var err error
	if chosen.Inputs, err = g.choose(named.Inputs, inputs, rawInputs); err == nil {
		chosen.Outputs, err = g.choose(named.Outputs, outputs, rawOutputs)
	}
	return chosen, err
}

// choose is the tensors of one side of a signature.
func (g *MetaGraph) choose(named []Tensor, wanted []string, raw bool) ([]Tensor, error) {
	if !raw {
		return named, nil
	}
	var chosen []Tensor
	for _, name := range wanted {
		if !IsTensorName(name) {
			if i := slices.IndexFunc(named, func(t Tensor) bool { return t.Alias == name }); i >= 0 {
				chosen = append(chosen, named[i])
			}
			continue // what is no alias is a problem that Check reports
		}
		t, err := g.Tensor(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, t)
	}
	slices.SortFunc(chosen, func(a, b Tensor) int { return strings.Compare(a.Alias, b.Alias) })
	return slices.CompactFunc(chosen, func(a, b Tensor) bool { return a.Alias == b.Alias }), nil
}
