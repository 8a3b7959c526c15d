package model

import (
	"maps"
	"slices"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
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
	flow := newFlow(g.pb.GetGraphDef(), g.fed(sig)...)
	for _, t := range asked(sig, m.Outputs) {
		for _, name := range g.outputParts(sig, t) {
			flow.back(name)
		}
	}
	mapped := slices.AppendSeq(slices.Collect(maps.Values(m.Inputs)), maps.Keys(m.Constants))
	sig.Inputs = slices.DeleteFunc(sig.Inputs, func(t Tensor) bool {
		needed := slices.ContainsFunc(g.inputParts(sig, t), func(name string) bool { return flow.ended[name] })
		return !needed && !slices.Contains(mapped, t.Alias)
	})
	return flow.needsPython(g.path)
}

// fed are the tensors of a signature's inputs.
func (g *MetaGraph) fed(sig *Signature) []string {
	var names []string
	for _, t := range sig.Inputs {
		names = append(names, g.inputParts(sig, t)...)
	}
	return names
}

// inputParts are the tensors of an input: one, or those of a sparse or
// composite one.
func (g *MetaGraph) inputParts(sig *Signature, t Tensor) []string {
	if t.Name != "" {
		return []string{t.Name}
	}
	return parts(g.pb.GetSignatureDef()[sig.Name].GetInputs()[t.Alias])
}

func (g *MetaGraph) outputParts(sig *Signature, t Tensor) []string {
	if t.Name != "" {
		return []string{t.Name}
	}
	return parts(g.pb.GetSignatureDef()[sig.Name].GetOutputs()[t.Alias])
}

func parts(info *corepb.TensorInfo) []string {
	if sparse := info.GetCooSparse(); sparse != nil {
		return []string{sparse.GetValuesTensorName(), sparse.GetIndicesTensorName(), sparse.GetDenseShapeTensorName()}
	}
	var names []string
	for _, component := range info.GetCompositeTensor().GetComponents() {
		names = append(names, parts(component)...)
	}
	if name := info.GetName(); name != "" {
		names = append(names, name)
	}
	return names
}
