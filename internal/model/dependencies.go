package model

import (
	"maps"
	"slices"
)

// requestedOutputs returns the outputs that the mapping names. Without a mapping it
// returns all.
func requestedOutputs(sig *Signature, outputMapping map[string]string) []Tensor {
	if len(outputMapping) == 0 {
		return sig.Outputs
	}
	return slices.DeleteFunc(slices.Clone(sig.Outputs), func(t Tensor) bool {
		_, there := outputMapping[t.Alias]
		return !there
	})
}

// dropUnusedInputs removes inputs that the requested outputs do not depend on. It
// keeps inputs to which a column or a constant is mapped. If only Python can compute
// an output, the error is a *ModelError.
func (g *MetaGraph) dropUnusedInputs(sig *Signature, m Mapping) error {
	flow := g.dependencies(sig, m.Outputs)
	mapped := slices.AppendSeq(slices.Collect(maps.Values(m.Inputs)), maps.Keys(m.Constants))
	sig.Inputs = slices.DeleteFunc(sig.Inputs, func(t Tensor) bool {
		needed := slices.ContainsFunc(t.tensorNames(), func(name string) bool { return flow.fedReached[name] })
		return !needed && !slices.Contains(mapped, t.Alias)
	})
	return flow.needsPython(g.path)
}

// dependencies follows the requested outputs of a signature back to its inputs.
func (g *MetaGraph) dependencies(sig *Signature, outputMapping map[string]string) *flow {
	flow := newFlow(g.pb.GetGraphDef(), sig.inputTensors()...)
	flow.traceAll(requestedOutputs(sig, outputMapping))
	return flow
}

// traceAll walks from tensors of the graph back to the tensors in fed.
func (f *flow) traceAll(tensors []Tensor) {
	for _, t := range tensors {
		for _, name := range t.tensorNames() {
			f.traceTensor(name)
		}
	}
}

// inputTensors returns the names of the graph's tensors that represent the inputs.
func (sig *Signature) inputTensors() []string {
	var names []string
	for _, t := range sig.Inputs {
		names = append(names, t.tensorNames()...)
	}
	return names
}

// tensorNames returns the names of the graph's tensors that represent t: one, or the
// parts of a sparse or ragged tensor.
func (t Tensor) tensorNames() []string {
	if t.Parts == nil {
		return []string{t.Name}
	}
	var names []string
	for _, part := range t.Parts.Tensors {
		names = append(names, part.Name)
	}
	return names
}

// Components returns the tensors of the graph that represent t: t itself, or the parts
// of a sparse or ragged tensor.
func (t Tensor) Components() []Tensor {
	if t.Parts == nil {
		return []Tensor{t}
	}
	return t.Parts.Tensors
}
