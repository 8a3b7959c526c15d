package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// File names of a SavedModel (tensorflow/cc/saved_model/constants.h).
const (
	binaryFile = "saved_model.pb"
	textFile   = "saved_model.pbtxt"
)

// initSignature is how TensorFlow stores a graph's initialiser among the
// signatures; it is nobody's to call.
const initSignature = "__saved_model_init_op"

// SavedModel is an opened SavedModel folder.
type SavedModel struct {
	Dir    string
	graphs []MetaGraph
}

// MetaGraph is one graph of a SavedModel.
type MetaGraph struct {
	Tags       []string // sorted
	Signatures []*Signature
	dir        string
	variables  bool // the graph has some
}

// Open reads a SavedModel's graphs. A folder without a SavedModel, or with a
// damaged one, is a *ModelError.
func Open(dir string) (*SavedModel, error) {
	pb, err := readSavedModel(dir)
	if err != nil {
		return nil, err
	}
	m := &SavedModel{Dir: dir}
	for _, g := range pb.GetMetaGraphs() {
		m.graphs = append(m.graphs, metaGraphFromProto(dir, g))
	}
	if len(m.graphs) == 0 {
		return nil, &ModelError{Path: dir, Problem: "the SavedModel holds no graph", Remedy: "export it again"}
	}
	return m, nil
}

func readSavedModel(dir string) (*corepb.SavedModel, error) {
	pb := &corepb.SavedModel{}
	raw, err := os.ReadFile(filepath.Join(dir, binaryFile))
	decode := func(b []byte) error { return proto.Unmarshal(b, pb) }
	if errors.Is(err, fs.ErrNotExist) {
		if text, textErr := os.ReadFile(filepath.Join(dir, textFile)); textErr == nil {
			raw, err = text, nil
			decode = func(b []byte) error { return prototext.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, pb) }
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing(dir)
	case err != nil:
		return nil, &ModelError{Path: dir, Problem: "cannot be read", Err: err}
	}
	if err := decode(raw); err != nil {
		return nil, &ModelError{Path: dir, Problem: "the SavedModel is damaged", Remedy: "copy or export it again", Err: err}
	}
	return pb, nil
}

// missing tells a folder that is not there from one that holds something else.
func missing(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &ModelError{Path: dir, Problem: "there is no such folder on this machine",
			Remedy: "give a SavedModel folder that every executor can read"}
	}
	for _, e := range entries {
		if e.Name() == "checkpoint" || strings.HasSuffix(e.Name(), ".index") {
			return &ModelError{Path: dir, Problem: "holds a checkpoint and no " + binaryFile,
				Remedy: "make a SavedModel of it with tfos export"}
		}
	}
	return &ModelError{Path: dir, Problem: "holds no " + binaryFile,
		Remedy: "give the folder that model.export() or tf.saved_model.save() wrote"}
}

func metaGraphFromProto(dir string, pb *corepb.MetaGraphDef) MetaGraph {
	g := MetaGraph{dir: dir, variables: hasVariables(pb.GetGraphDef().GetNode()), Tags: slices.Sorted(slices.Values(pb.GetMetaInfoDef().GetTags()))}
	for name, s := range pb.GetSignatureDef() {
		if name != initSignature {
			g.Signatures = append(g.Signatures, signatureFromProto(name, s))
		}
	}
	slices.SortFunc(g.Signatures, func(a, b *Signature) int { return strings.Compare(a.Name, b.Name) })
	return g
}

func hasVariables(nodes []*nodepb.NodeDef) bool {
	return slices.ContainsFunc(nodes, func(n *nodepb.NodeDef) bool {
		switch n.GetOp() {
		case "VarHandleOp", "VariableV2", "Variable":
			return true
		}
		return false
	})
}

// checkVariables looks for the checkpoint of a graph with variables. TensorFlow
// loads a SavedModel without it, and fails at the first run.
func (g *MetaGraph) checkVariables() error {
	index := filepath.Join("variables", "variables.index")
	if _, err := os.Stat(filepath.Join(g.dir, index)); g.variables && err != nil {
		return &ModelError{Path: g.dir, Problem: "the SavedModel is not complete: no " + index, Remedy: "copy or export it again"}
	}
	return nil
}

// TagSets lists the tag sets in the folder's order.
func (m *SavedModel) TagSets() [][]string {
	sets := make([][]string, len(m.graphs))
	for i, g := range m.graphs {
		sets[i] = g.Tags
	}
	return sets
}

// MetaGraph returns the graph whose tags are exactly these, in any order;
// without tags, {"serve"}. None is a *ModelError that lists those there are; so
// is one whose variables are not there.
func (m *SavedModel) MetaGraph(tags ...string) (*MetaGraph, error) {
	if len(tags) == 0 {
		tags = []string{"serve"}
	}
	want := slices.Sorted(slices.Values(tags))
	for i := range m.graphs {
		if slices.Equal(m.graphs[i].Tags, want) {
			return &m.graphs[i], m.graphs[i].checkVariables()
		}
	}
	sets := make([]string, len(m.graphs))
	for i, g := range m.graphs {
		sets[i] = "{" + strings.Join(g.Tags, ",") + "}"
	}
	return nil, &ModelError{Path: m.Dir, Problem: fmt.Sprintf("no graph has the tag set {%s}", strings.Join(want, ",")),
		Remedy: "tag sets there: " + strings.Join(sets, " ")}
}

// Signature returns a signature by name. An empty name stands for
// "serving_default", or for the only one there is. None is a *ModelError that
// lists those there are.
func (g *MetaGraph) Signature(name string) (*Signature, error) {
	if name == "" {
		if len(g.Signatures) == 1 {
			return g.Signatures[0], nil
		}
		name = "serving_default"
	}
	names := make([]string, len(g.Signatures))
	for i, s := range g.Signatures {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return nil, &ModelError{Path: g.dir, Problem: fmt.Sprintf("there is no signature %q", name),
		Remedy: "signatures there: " + list(names)}
}
