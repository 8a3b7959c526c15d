package model

import (
	"bytes"
	"os"
	"slices"
	"strings"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// OpenFrozen reads a GraphDef, binary or text. If the file is no GraphDef, or the
// graph has variables, the error is a *ModelError: a GraphDef has no values of
// variables.
func OpenFrozen(path string) (*MetaGraph, error) {
	def, err := readGraph(path)
	if err != nil {
		return nil, err
	}
	g := newMetaGraph(path, &corepb.MetaGraphDef{GraphDef: def})
	if g.hasVariables() {
		return nil, &ModelError{Path: path, Problem: "the graph has variables, whose values are not in the file",
			Remedy: "freeze it in its program: tf.compat.v1.graph_util.convert_variables_to_constants, or give its SavedModel or checkpoint"}
	}
	return g, nil
}

func readGraph(path string) (*graphpb.GraphDef, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, &ModelError{Path: path, Problem: "cannot be read", Err: err}
	}
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(raw, def); err == nil && isGraph(def) {
		return def, nil
	}
	def.Reset()
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("node")) {
		err := prototext.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, def)
		if err == nil && isGraph(def) {
			return def, nil
		}
	}
	return nil, &ModelError{Path: path, Problem: "it is no graph", Remedy: "copy it again"}
}

// isGraph reports whether a decoded GraphDef is one. Bytes of other messages may
// decode without an error, but their nodes have no operation.
func isGraph(def *graphpb.GraphDef) bool {
	nodes := def.GetNode()
	return len(nodes) > 0 && !slices.ContainsFunc(nodes, func(n *nodepb.NodeDef) bool { return n.GetOp() == "" })
}

// holdsGraph reports whether a file is a GraphDef.
func holdsGraph(path string) bool {
	_, err := readGraph(path)
	return err == nil
}

// tableInitializers lists the operations that fill a frozen graph's tables, found by
// type. The file lacks the collection that names them.
func (g *MetaGraph) tableInitializers() []string {
	var names []string
	for _, n := range g.pb.GetGraphDef().GetNode() {
		if op := n.GetOp(); strings.HasPrefix(op, "InitializeTable") || strings.HasPrefix(op, "LookupTableImport") {
			names = append(names, n.GetName())
		}
	}
	return names
}
