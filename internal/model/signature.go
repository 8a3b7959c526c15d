package model

import (
	"fmt"
	"slices"
	"strings"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// Tensor is one input or output of a signature, or any tensor of a graph.
type Tensor struct {
	Alias string // the same as Name for a tensor that is in no signature
	Name  string // in the graph: "operation:index"
	Type  DType
	// Shape has -1 for an unknown dimension. It is nil for a scalar, and if
	// UnknownRank is set.
	Shape       []int64
	UnknownRank bool
	// Default says that the graph has a value for the tensor if none is fed
	// (PlaceholderWithDefault).
	Default bool
	// Binary says that the values of a string tensor are bytes and not text.
	Binary bool
	// Parts are the graph's tensors that represent a sparse or ragged tensor. nil:
	// the tensor is dense, and Name is its name.
	Parts *Parts
}

// String returns type and shape, such as "float32 [-1,784]" or
// "ragged int64 [-1,-1]".
func (t Tensor) String() string {
	if t.Parts != nil {
		whole := t
		whole.Parts = nil
		return strings.ToLower(strings.TrimSuffix(t.Parts.Kind, "Tensor")) + " " + whole.String()
	}
	if t.UnknownRank {
		return t.Type.String() + " of unknown rank"
	}
	return t.Type.String() + " " + ShapeString(t.Shape)
}

// RowSize returns the number of elements of one row. It returns false if a dimension
// other than the first is unknown, and for a scalar.
func (t Tensor) RowSize() (int64, bool) {
	if t.UnknownRank || len(t.Shape) == 0 {
		return 0, false
	}
	size := int64(1)
	for _, d := range t.Shape[1:] {
		if d < 0 {
			return 0, false
		}
		size *= d
	}
	return size, true
}

// ShapeString returns a shape as text, such as "[-1,28,28]".
func ShapeString(shape []int64) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}

// Signature is a named function of a MetaGraph, or a choice of the graph's tensors,
// without a name. Inputs and outputs are sorted by alias.
type Signature struct {
	Name            string
	Method          string
	Inputs, Outputs []Tensor
	Constants       []Constant // inputs that no column feeds
}

func signatureFromProto(name string, pb *corepb.SignatureDef) *Signature {
	return &Signature{
		Name:    name,
		Method:  pb.GetMethodName(),
		Inputs:  tensorsFromProto(pb.GetInputs()),
		Outputs: tensorsFromProto(pb.GetOutputs()),
	}
}

func tensorsFromProto(infos map[string]*corepb.TensorInfo) []Tensor {
	tensors := make([]Tensor, 0, len(infos))
	for alias, info := range infos {
		t := Tensor{Alias: alias, Name: info.GetName(), Type: DType(info.GetDtype())}
		t.setShape(info.GetTensorShape())
		t.partsOf(info)
		tensors = append(tensors, t)
	}
	sortTensors(tensors)
	return tensors
}

func sortTensors(tensors []Tensor) {
	slices.SortFunc(tensors, func(a, b Tensor) int { return strings.Compare(a.Alias, b.Alias) })
}

func (t *Tensor) setShape(shape *shapepb.TensorShapeProto) {
	t.UnknownRank = shape == nil || shape.GetUnknownRank()
	for _, d := range shape.GetDim() {
		t.Shape = append(t.Shape, d.GetSize())
	}
}

// aliases lists the aliases of tensors for a message.
func aliases(tensors []Tensor) string {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		names[i] = t.Alias
	}
	return list(names)
}

// list joins names for a message. No names are "none".
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
