package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// Parts are the tensors of a graph that represent one sparse or ragged tensor, in
// TensorFlow's order. A ragged tensor has values, then row splits, the outermost
// first (tf.RaggedTensor). A sparse tensor has indices, values and dense shape
// (tf.SparseTensor).
//
// Signatures of TensorFlow 2 list parts like separate inputs. Only the function that
// a signature wraps describes which inputs are parts of one tensor.
type Parts struct {
	Kind    string // RaggedTensor, SparseTensor, or another class of Python's TensorFlow
	Tensors []Tensor
}

const (
	raggedKind = "RaggedTensor"
	sparseKind = "SparseTensor"
)

// Ragged reports whether the tensor takes lists of different lengths.
func (t Tensor) Ragged() bool { return t.Parts != nil && t.Parts.Kind == raggedKind }

// unfeedable returns the reason why no column can feed the tensor, or "".
func (t Tensor) unfeedable() string {
	switch {
	case t.Ragged() || t.Parts == nil && t.Name != "":
		return ""
	case t.Parts == nil:
		return "it is a composite tensor, which a column cannot feed: export a signature whose inputs are dense or ragged tensors"
	}
	how := "export a signature whose inputs are dense or ragged tensors"
	if t.Parts.Kind == sparseKind {
		how = "export a signature that takes a dense or ragged tensor and makes it sparse (tf.sparse.from_dense, RaggedTensor.to_sparse)"
	}
	return fmt.Sprintf("it is a %s (%s), which a column cannot feed: %s", t.Parts.Kind, strings.Join(t.tensorNames(), ", "), how)
}

// partsOf sets Parts, if the signature itself names them, as signatures of
// TensorFlow 1 do. For a composite tensor it also sets name, type and shape.
func (t *Tensor) partsOf(info *corepb.TensorInfo) {
	if coo := info.GetCooSparse(); coo != nil {
		t.Parts = &Parts{Kind: sparseKind, Tensors: []Tensor{
			{Name: coo.GetIndicesTensorName(), Type: Int64}, {Name: coo.GetValuesTensorName(), Type: t.Type}, {Name: coo.GetDenseShapeTensorName(), Type: Int64}}}
	}
	if composite := info.GetCompositeTensor(); composite != nil {
		var parts []Tensor
		for _, c := range composite.GetComponents() {
			part := Tensor{Name: c.GetName(), Type: DType(c.GetDtype())}
			part.setShape(c.GetTensorShape())
			parts = append(parts, part)
		}
		*t = t.join(composite.GetTypeSpec(), parts)
	}
}

// join returns the tensor that the parts represent, with the alias of t.
func (t Tensor) join(spec *corepb.TypeSpecProto, parts []Tensor) Tensor {
	joined := Tensor{Alias: t.Alias, Type: t.Type, UnknownRank: true,
		Parts: &Parts{Kind: strings.TrimSuffix(spec.GetTypeSpecClassName(), "Spec"), Tensors: parts}}
	for _, state := range spec.GetTypeState().GetTupleValue().GetValues() {
		switch state.GetKind().(type) {
		case *corepb.StructuredValue_TensorShapeValue:
			joined.setShape(state.GetTensorShapeValue())
		case *corepb.StructuredValue_TensorDtypeValue:
			if joined.Name == "" { // the first type is of the values, the next of the row splits
				joined.Name, joined.Type = parts[0].Name, DType(state.GetTensorDtypeValue())
			}
		}
	}
	joined.Name = parts[0].Name
	return joined
}

// composite is an argument of a function that is passed as several tensors: count
// tensors from number first on.
type composite struct {
	spec         *corepb.TypeSpecProto
	first, count int
}

// composites returns the arguments of a function that are passed as composites. A
// function's tensors are in the order of tf.nest.flatten.
func composites(signature *corepb.StructuredValue) (found []composite) {
	at := 0
	var walk func(*corepb.StructuredValue)
	walk = func(v *corepb.StructuredValue) {
		switch kind := v.GetKind().(type) {
		case *corepb.StructuredValue_TensorSpecValue, *corepb.StructuredValue_BoundedTensorSpecValue:
			at++
		case *corepb.StructuredValue_TypeSpecValue:
			found = append(found, composite{kind.TypeSpecValue, at, int(kind.TypeSpecValue.GetNumFlatComponents())})
			at += int(kind.TypeSpecValue.GetNumFlatComponents())
		case *corepb.StructuredValue_ListValue:
			for _, item := range kind.ListValue.GetValues() {
				walk(item)
			}
		case *corepb.StructuredValue_TupleValue:
			for _, item := range kind.TupleValue.GetValues() {
				walk(item)
			}
		case *corepb.StructuredValue_NamedTupleValue:
			for _, pair := range kind.NamedTupleValue.GetValues() {
				walk(pair.GetValue())
			}
		case *corepb.StructuredValue_DictValue:
			for _, key := range slices.Sorted(maps.Keys(kind.DictValue.GetFields())) {
				walk(kind.DictValue.GetFields()[key])
			}
		}
	}
	walk(signature)
	return found
}

// joinParts replaces inputs that are parts of one sparse or ragged tensor by that
// tensor. The arguments of the function that the signature wraps tell which inputs
// are parts. The tensor gets the alias of its first part.
func (g *MetaGraph) joinParts(s *Signature) {
	for _, outer := range g.pb.GetGraphDef().GetNode() {
		wrapper := outer.GetAttr()["f"].GetFunc().GetName()
		if wrapper == "" || !slices.ContainsFunc(s.Inputs, func(t Tensor) bool { return slices.ContainsFunc(outer.GetInput(), sameTensor(t.Name)) }) {
			continue
		}
		arguments := map[string]string{} // argument of the wrapper -> tensor of the graph
		for _, f := range g.pb.GetGraphDef().GetLibrary().GetFunction() {
			if f.GetSignature().GetName() != wrapper {
				continue
			}
			for i, arg := range f.GetSignature().GetInputArg() {
				if i < len(outer.GetInput()) {
					arguments[arg.GetName()] = outer.GetInput()[i]
				}
			}
			for _, inner := range f.GetNodeDef() {
				g.joinArguments(s, inner, arguments)
			}
		}
	}
}

// joinArguments does the work of joinParts for one call of a function.
func (g *MetaGraph) joinArguments(s *Signature, call *nodepb.NodeDef, arguments map[string]string) {
	function := g.pb.GetObjectGraphDef().GetConcreteFunctions()[call.GetAttr()["f"].GetFunc().GetName()]
	for _, c := range composites(function.GetCanonicalizedInputSignature()) {
		if c.count < 2 || c.first+c.count > len(call.GetInput()) {
			continue
		}
		var parts []Tensor
		for _, argument := range call.GetInput()[c.first : c.first+c.count] {
			at := slices.IndexFunc(s.Inputs, func(t Tensor) bool { return sameTensor(t.Name)(arguments[argument]) })
			if at >= 0 {
				parts = append(parts, s.Inputs[at])
			}
		}
		if len(parts) != c.count {
			continue
		}
		s.Inputs = slices.DeleteFunc(s.Inputs, func(t Tensor) bool {
			return slices.ContainsFunc(parts, func(part Tensor) bool { return part.Name == t.Name })
		})
		s.Inputs = append(s.Inputs, parts[0].join(c.spec, parts))
		sortTensors(s.Inputs)
	}
}

// sameTensor returns a function that compares a tensor name with name. Either may
// lack the suffix ":0".
func sameTensor(name string) func(string) bool {
	return func(other string) bool {
		return other != "" && strings.TrimSuffix(name, ":0") == strings.TrimSuffix(other, ":0")
	}
}
