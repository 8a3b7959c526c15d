package engine

import (
	"errors"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// TestNoMemory: a tensor that no machine has memory for is a *model.MemoryError.
func TestNoMemory(t *testing.T) {
	float := &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_FLOAT}}
	ints := &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_INT32}}
	constant := func(name string, kind *attrpb.AttrValue, value *tensorpb.TensorProto) *nodepb.NodeDef {
		return &nodepb.NodeDef{Name: name, Op: "Const", Attr: map[string]*attrpb.AttrValue{"dtype": kind, "value": {Value: &attrpb.AttrValue_Tensor{Tensor: value}}}}
	}
	shape := &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{{Size: 3}}}
	graph, err := proto.Marshal(&graphpb.GraphDef{Node: []*nodepb.NodeDef{
		constant("shape", ints, &tensorpb.TensorProto{Dtype: typespb.DataType_DT_INT32, TensorShape: shape, IntVal: []int32{1 << 20, 1 << 20, 1 << 6}}),
		constant("one", float, &tensorpb.TensorProto{Dtype: typespb.DataType_DT_FLOAT, TensorShape: &shapepb.TensorShapeProto{}, FloatVal: []float32{1}}),
		{Name: "large", Op: "Fill", Input: []string{"shape", "one"}, Attr: map[string]*attrpb.AttrValue{"T": float, "index_type": ints}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := openGraph(graph, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	at, err := s.output("large:0")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.run(nil, []endpoint{at}, nil)
	var memory *model.MemoryError
	if err = runError("run", err); !errors.As(err, &memory) {
		t.Errorf("%v", err)
	}
}
