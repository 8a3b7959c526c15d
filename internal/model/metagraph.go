package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// initSignature is the signature in which TensorFlow stores a graph's initialiser.
// Users cannot choose it.
const initSignature = "__saved_model_init_op"

// defaultOp is a placeholder operation that has a value if none is fed.
const defaultOp = "PlaceholderWithDefault"

// MetaGraph is one graph of a SavedModel, or the graph of a .meta file or of a frozen
// graph's file.
type MetaGraph struct {
	Tags       []string // sorted
	Signatures []*Signature
	path       string // for errors
	pb         *corepb.MetaGraphDef
	nodes      map[string]int // name -> index in pb
	ops        map[string]*oppb.OpDef
	functions  map[string]bool // names of the graph's functions
}

func newMetaGraph(path string, pb *corepb.MetaGraphDef) *MetaGraph {
	g := &MetaGraph{path: path, pb: pb, nodes: map[string]int{}, ops: map[string]*oppb.OpDef{}, functions: map[string]bool{}}
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
		g.functions[f.GetSignature().GetName()] = true
	}
	for _, s := range g.Signatures {
		for i, t := range s.Inputs {
			s.Inputs[i].Default = g.hasDefault(t)
		}
		g.joinParts(s)
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

// Signature returns a signature by name. An empty name means the only signature, or
// "serving_default" if there are several. If there is no such signature, the error is
// a *ModelError that lists the signatures.
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
			Remedy: "name tensors, such as " + g.exampleInput() + ", in input_mapping and output_mapping"}
	}
	return nil, &ModelError{Path: g.path, Problem: fmt.Sprintf("there is no signature %q", name),
		Remedy: "signatures there: " + list(names)}
}

// Choose returns the signature that runs a mapping. Each name in the mapping is an
// alias of the named signature (see Signature) or a tensor of the graph (see
// IsTensorName).
//
//   - If the mapping has tensors as outputs, only the outputs that it names are in
//     the result.
//   - Tensors as inputs are added to the signature's inputs. They replace inputs
//     that are the same tensor.
//   - If all inputs and outputs of the mapping are tensors, the model needs no
//     signature, and the result has no name.
//   - Inputs that the requested outputs do not depend on are left out, unless a
//     column or a constant is mapped to them.
//
// A name that is neither an alias nor a tensor is a *ModelError, and so is an output
// that only Python can compute. A constant that does not fit its tensor is a
// *ConstantError.
func (g *MetaGraph) Choose(name string, m Mapping) (*Signature, error) {
	chosen, err := g.chooseTensors(name, m)
	if err != nil {
		return nil, err
	}
	if err := chosen.takeConstants(m.Constants); err != nil {
		return nil, err
	}
	return chosen, g.markBinaryOutputs(chosen, m)
}

// hasDefault reports whether the graph has a value for the tensor if none is fed.
func (g *MetaGraph) hasDefault(t Tensor) bool {
	op, index, _ := strings.Cut(t.Name, ":")
	at, there := g.nodes[op]
	return there && index == "0" && g.pb.GetGraphDef().GetNode()[at].GetOp() == defaultOp
}

// markBinaryOutputs sets Binary of the outputs that the mapping's BinaryOutputs name.
func (g *MetaGraph) markBinaryOutputs(chosen *Signature, m Mapping) error {
	for _, name := range m.BinaryOutputs {
		i := slices.IndexFunc(chosen.Outputs, func(t Tensor) bool { return t.Alias == name })
		_, mapped := m.Outputs[name]
		switch {
		case i < 0:
			return g.noAlias("binary_outputs", name, chosen.Name, chosen.Outputs)
		case len(m.Outputs) > 0 && !mapped:
			return &ModelError{Path: g.path, Problem: fmt.Sprintf("binary_outputs: %s is not among the outputs of output_mapping", name)}
		case chosen.Outputs[i].Type != String:
			return &ModelError{Path: g.path, Problem: fmt.Sprintf("binary_outputs: %s is %s: only strings can be binary", name, chosen.Outputs[i])}
		}
		chosen.Outputs[i].Binary = true
	}
	return nil
}

func (g *MetaGraph) chooseTensors(name string, m Mapping) (*Signature, error) {
	fed := slices.AppendSeq(slices.Collect(maps.Values(m.Inputs)), maps.Keys(m.Constants))
	slices.Sort(fed)
	inputs, outputs := slices.Compact(fed), slices.Sorted(maps.Keys(m.Outputs))
	named, missing := g.Signature(name)
	if missing != nil {
		named = &Signature{}
	}
	rawInputs, strangeIn, err := g.graphTensors(inputs, named.Inputs)
	if err != nil {
		return nil, err
	}
	rawOutputs, strangeOut, err := g.graphTensors(outputs, named.Outputs)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rawInputs) > 0 && len(rawInputs) == len(inputs) && len(rawOutputs) > 0 && len(rawOutputs) == len(outputs):
		chosen := &Signature{Inputs: rawInputs, Outputs: rawOutputs}
		return chosen, g.dropUnusedInputs(chosen, m)
	case missing != nil:
		return nil, missing
	case strangeIn != "" && m.Constants[strangeIn] != nil:
		return nil, &ConstantError{strangeIn, string(m.Constants[strangeIn]),
			fmt.Sprintf("there is no such input (inputs there: %s)", aliases(named.Inputs))}
	case strangeIn != "":
		return nil, g.noAlias("input_mapping", strangeIn, named.Name, named.Inputs)
	case strangeOut != "":
		return nil, g.noAlias("output_mapping", strangeOut, named.Name, named.Outputs)
	}
	chosen := &Signature{Name: named.Name, Method: named.Method, Inputs: rawInputs, Outputs: rawOutputs}
	for _, t := range named.Inputs {
		if same := func(other Tensor) bool { return other.Name == t.Name }; slices.Contains(inputs, t.Alias) || !slices.ContainsFunc(rawInputs, same) {
			chosen.Inputs = append(chosen.Inputs, t)
		}
	}
	for _, t := range named.Outputs {
		if len(rawOutputs) == 0 || slices.Contains(outputs, t.Alias) {
			chosen.Outputs = append(chosen.Outputs, t)
		}
	}
	sortTensors(chosen.Inputs)
	sortTensors(chosen.Outputs)
	return chosen, g.dropUnusedInputs(chosen, m)
}

// graphTensors returns the tensors of the graph among names. strange is the first name
// that is neither a tensor nor an alias.
func (g *MetaGraph) graphTensors(names []string, aliased []Tensor) (found []Tensor, strange string, err error) {
	for _, name := range names {
		switch {
		case hasAlias(aliased, name):
		case IsTensorName(name):
			t, err := g.Tensor(name)
			if err != nil {
				return nil, "", err
			}
			found = append(found, t)
		case strange == "":
			strange = name
		}
	}
	return found, strange, nil
}

func (g *MetaGraph) noAlias(mapping, name, signature string, aliased []Tensor) error {
	return &ModelError{Path: g.path, Problem: fmt.Sprintf("%s: %s is not an alias of signature %q", mapping, name, signature),
		Remedy: "aliases there: " + aliases(aliased)}
}
