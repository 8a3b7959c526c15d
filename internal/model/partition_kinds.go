package model

import (
	"encoding/binary"
	"slices"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
)

// kind is what a tensor of an update has to do with the rows of a divided variable.
type kind int

const (
	noTensor kind = iota // of an operation that assigns
	same                 // for all rows: a scalar, or a constant of one dimension
	shapeOf              // the variable's shape, as a constant
	count                // the number of its rows
	indices              // numbers of rows: of a sparse gradient
	sparse               // a value for each of the indices
	dense                // a value for each row
	rowMask              // whether something holds for each row
	anyRow               // whether something holds for any row
)

func onlySame(in []kind) bool {
	return !slices.ContainsFunc(in, func(k kind) bool { return k != same })
}

// broadcast returns the kind of an operation on values that are all of a kind, or the
// same for all rows.
func broadcast(in []kind) kind {
	found := noTensor
	for _, k := range in {
		switch {
		case k == same:
		case k != sparse && k != dense || found != noTensor && found != k:
			return noTensor
		default:
			found = k
		}
	}
	return found
}

// assigns reports whether an operation assigns to rows what it has for them. in are the
// kinds of its inputs behind the handle.
func assigns(op string, in []kind) bool {
	switch op {
	case "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp":
		return slices.Equal(in, []kind{dense})
	case "ResourceScatterAdd", "ResourceScatterSub", "ResourceScatterUpdate", "ResourceScatterMul", "ResourceScatterDiv", "ResourceScatterMin", "ResourceScatterMax":
		return slices.Equal(in, []kind{indices, sparse})
	}
	return false
}

// staticShape returns the shape of a node's only output, as TensorFlow has written it
// into the function. -1 is a dimension that is not known. It returns nil for a shape that
// is not known.
func staticShape(n *nodepb.NodeDef) []int64 {
	shapes := n.GetAttr()[shapesAttr].GetList().GetShape()
	if len(shapes) != 1 || shapes[0].GetUnknownRank() {
		return nil
	}
	shape := []int64{}
	for _, d := range shapes[0].GetDim() {
		shape = append(shape, d.GetSize())
	}
	return shape
}

// outputType returns the type of a node's output, if an attribute of the usual name says
// it.
func outputType(n *nodepb.NodeDef) DType {
	for _, name := range []string{"T", "dtype", "DstT", "Tparams"} {
		if a := n.GetAttr()[name]; a != nil {
			return DType(a.GetType())
		}
	}
	return 0
}

// integers returns the elements of a tensor of integers.
func integers(t *tensorpb.TensorProto) ([]int64, bool) {
	n := int64(1)
	for _, d := range t.GetTensorShape().GetDim() {
		n *= d.GetSize()
	}
	var all []int64
	raw := t.GetTensorContent()
	switch DType(t.GetDtype()) {
	case Int32:
		for _, v := range t.GetIntVal() {
			all = append(all, int64(v))
		}
		for ; len(raw) >= 4; raw = raw[4:] {
			all = append(all, int64(int32(binary.LittleEndian.Uint32(raw))))
		}
	case Int64:
		all = slices.Clone(t.GetInt64Val())
		for ; len(raw) >= 8; raw = raw[8:] {
			all = append(all, int64(binary.LittleEndian.Uint64(raw)))
		}
	default:
		return nil, false
	}
	if len(all) == 0 && n == 1 {
		all = []int64{0}
	}
	for len(all) > 0 && int64(len(all)) < n && n < 16 { // the last value stands for the others
		all = append(all, all[len(all)-1])
	}
	return all, int64(len(all)) == n
}
