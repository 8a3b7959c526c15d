package model

import (
	"maps"
	"os"
	"slices"
	"strings"

	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// MetaFile returns the content of a .meta file for checkpoints of a graph. A checkpoint
// with this file beside it is a model (see OpenCheckpoint). path is a .meta file, whose
// content is returned, or a SavedModel, whose graph with these tags is taken.
//
// Tables of a SavedModel's graph then read its assets at their present paths. Errors
// are *ModelError.
func MetaFile(path string, tags []string) ([]byte, error) {
	if strings.HasSuffix(path, metaSuffix) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, &ModelError{Path: path, Problem: "cannot be read", Err: err}
		}
		return raw, nil
	}
	graph, start, err := Source{Model: path, TagSet: tags}.open()
	if err != nil {
		return nil, err
	}
	graph.fixAssets(start.files)
	raw, err := proto.Marshal(graph.pb)
	if err != nil {
		return nil, &ModelError{Path: path, Problem: "its graph cannot be written", Err: err}
	}
	return raw, nil
}

// fixAssets makes constants of the nodes that name files, because a .meta file has no
// assets. files maps tensors to paths.
func (g *MetaGraph) fixAssets(files map[string]string) {
	nodes := g.pb.GetGraphDef().GetNode()
	for _, tensor := range slices.Sorted(maps.Keys(files)) {
		name, _, _ := strings.Cut(tensor, ":")
		if at, there := g.nodes[name]; there {
			nodes[at] = constant(name, &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING,
				TensorShape: &shapepb.TensorShapeProto{}, StringVal: [][]byte{[]byte(files[tensor])}})
		}
	}
	g.pb.AssetFileDef = nil
	delete(g.pb.GetCollectionDef(), assetsCollection)
}
