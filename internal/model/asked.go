package model

import (
	"maps"
	"slices"
)

// asked are the outputs that a signature is run for: those that the mapping
// names, or all.
func asked(sig *Signature, outputMapping map[string]string) []Tensor {
	if len(outputMapping) == 0 {
		return sig.Outputs
	}
	return slices.DeleteFunc(slices.Clone(sig.Outputs), func(t Tensor) bool {
		_, there := outputMapping[t.Alias]
		return !there
	})
}

// leaveOut removes the inputs of a signature that its asked outputs do not
// depend on, unless a column or a constant is mapped to them. Outputs that only
// Python can compute are a *ModelError.
func (g *MetaGraph) leaveOut(sig *Signature, m Mapping) error {
	flow := g.dependencies(sig, m.Outputs)
	mapped := slices.AppendSeq(slices.Collect(maps.Values(m.Inputs)), maps.Keys(m.Constants))
	sig.Inputs = slices.DeleteFunc(sig.Inputs, func(t Tensor) bool {
		needed := slices.ContainsFunc(t.names(), func(name string) bool { return flow.ended[name] })
		return !needed && !slices.Contains(mapped, t.Alias)
	})
	return flow.needsPython(g.path)
}

// dependencies is what the asked outputs of a signature depend on, up to its inputs.
func (g *MetaGraph) dependencies(sig *Signature, outputMapping map[string]string) *flow {
	flow := newFlow(g.pb.GetGraphDef(), sig.fed()...)
	for _, t := range asked(sig, outputMapping) {
		for _, name := range t.names() {
			flow.back(name)
		}
	}
	return flow
}

// fed are the tensors of the graph that stand for the inputs.
func (sig *Signature) fed() []string {
	var names []string
	for _, t := range sig.Inputs {
		names = append(names, t.names()...)
	}
	return names
}

// names are the tensors of the graph that stand for t: one, or those of a sparse
// or ragged one.
func (t Tensor) names() []string {
	if t.Parts == nil {
		return []string{t.Name}
	}
	var names []string
	for _, part := range t.Parts.Tensors {
		names = append(names, part.Name)
	}
	return names
}
