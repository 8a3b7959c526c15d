package engine

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// SquareInCaller computes x*x by TensorFlow, in the calling thread.
func SquareInCaller(x float32) (float32, error) {
	float := &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_FLOAT}}
	graph, err := proto.Marshal(&graphpb.GraphDef{Node: []*nodepb.NodeDef{
		{Name: "x", Op: "Placeholder", Attr: map[string]*attrpb.AttrValue{"dtype": float}},
		{Name: "y", Op: "Mul", Input: []string{"x", "x"}, Attr: map[string]*attrpb.AttrValue{"T": float}},
	}})
	if err != nil {
		return 0, err
	}
	config, err := proto.Marshal(&corepb.ConfigProto{InterOpParallelismThreads: inCaller})
	if err != nil {
		return 0, err
	}
	s, err := openGraph(graph, config, "")
	if err != nil {
		return 0, err
	}
	in, inErr := s.output("x")
	out, outErr := s.output("y")
	t, err := newTensor(model.Float32, nil)
	if err := errors.Join(inErr, outErr, err); err != nil {
		return 0, errors.Join(err, s.close())
	}
	defer t.free()
	binary.LittleEndian.PutUint32(t.bytes(), math.Float32bits(x))
	found, err := s.run([]feed{{in, t}}, []endpoint{out}, nil)
	if err != nil {
		return 0, errors.Join(err, s.close())
	}
	defer freeAll(found)
	return math.Float32frombits(binary.LittleEndian.Uint32(found[0].bytes())), s.close()
}

// ConstantStep returns a step on tensors of rows that are made once.
func ConstantStep(g *Training, rows arrow.Record) (step func() error, free func(), err error) {
	found, err := g.train.feedsOf(rows)
	if err != nil {
		return nil, nil, err
	}
	feeds := append([]feed(nil), found...)
	return func() error {
		results, err := g.session.run(feeds, g.train.fetches, g.train.targets)
		freeAll(results)
		return err
	}, func() { freeFeeds(feeds) }, nil
}

// TensorOf makes the tensor of a column of float32 lists of a length. borrowed says whether
// its elements are the column's own memory.
func TensorOf(column arrow.Array, length int64) (values []float32, borrowed bool, free func(), err error) {
	in := model.Input{Column: "x", Tensor: model.Tensor{Alias: "x", Type: model.Float32, Shape: []int64{-1, length}}}
	t, err := toTensor(column, in)
	if err != nil {
		return nil, false, nil, err
	}
	values = arrow.Float32Traits.CastFromBytes(t.bytes())
	rows, err := unnest(column, in)
	if err != nil {
		return nil, false, nil, err
	}
	own := arrow.Float32Traits.CastFromBytes(rows.rawBytes())
	return values, &own[0] == &values[0], t.free, nil
}
