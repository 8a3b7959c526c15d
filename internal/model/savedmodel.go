package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// File names of a SavedModel (tensorflow/cc/saved_model/constants.h).
const (
	SavedModelFile = "saved_model.pb"
	SavedModelText = "saved_model.pbtxt" // few write it
)

// IsSavedModelFile reports whether a file of this name makes its folder a SavedModel.
func IsSavedModelFile(base string) bool { return base == SavedModelFile || base == SavedModelText }

// SavedModel is an opened SavedModel folder.
type SavedModel struct {
	Dir    string
	graphs []*MetaGraph
}

// Open reads a SavedModel's graphs. If the folder has no SavedModel or a damaged
// one, the error is a *ModelError.
func Open(dir string) (*SavedModel, error) {
	pb, err := readSavedModel(dir)
	if err != nil {
		return nil, err
	}
	m := &SavedModel{Dir: dir}
	for _, g := range pb.GetMetaGraphs() {
		m.graphs = append(m.graphs, newMetaGraph(dir, g))
	}
	if len(m.graphs) == 0 {
		return nil, &ModelError{Path: dir, Problem: "the SavedModel holds no graph", Remedy: "export it again"}
	}
	return m, nil
}

func readSavedModel(dir string) (*corepb.SavedModel, error) {
	pb := &corepb.SavedModel{}
	raw, err := os.ReadFile(filepath.Join(dir, SavedModelFile))
	decode := func(b []byte) error { return proto.Unmarshal(b, pb) }
	if errors.Is(err, fs.ErrNotExist) {
		if text, textErr := os.ReadFile(filepath.Join(dir, SavedModelText)); textErr == nil {
			raw, err = text, nil
			decode = func(b []byte) error { return prototext.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, pb) }
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noModel(dir)
	case err != nil:
		return nil, &ModelError{Path: dir, Problem: "cannot be read", Err: err}
	}
	if err := decode(raw); err != nil {
		return nil, &ModelError{Path: dir, Problem: "the SavedModel is damaged", Remedy: "copy or export it again", Err: err}
	}
	return pb, nil
}

// checkVariables returns an error if a graph has variables and no checkpoint.
// TensorFlow loads such a SavedModel, and fails only at the first run.
func (m *SavedModel) checkVariables(g *MetaGraph) error {
	if _, err := os.Stat(m.Variables() + indexSuffix); g.hasVariables() && err != nil {
		return &ModelError{Path: m.Dir, Problem: "the SavedModel is not complete: no variables/variables.index", Remedy: "copy or export it again"}
	}
	return nil
}

// Variables returns the prefix of the checkpoint that holds the SavedModel's
// variables. A SavedModel without variables may have no checkpoint.
func (m *SavedModel) Variables() string { return variablesOf(m.Dir) }

func variablesOf(dir string) string { return filepath.Join(dir, "variables", "variables") }

// MetaGraph returns the graph whose tags are exactly these, in any order. Without
// tags it returns the graph of {"serve"}. If there is no such graph, the error is a
// *ModelError that lists the tag sets. Missing variables are a *ModelError too.
func (m *SavedModel) MetaGraph(tags ...string) (*MetaGraph, error) {
	g, err := m.findGraph(tags)
	if err == nil {
		err = m.checkVariables(g)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// findGraph is MetaGraph, for a caller that has the variables from elsewhere.
func (m *SavedModel) findGraph(tags []string) (*MetaGraph, error) {
	if len(tags) == 0 {
		tags = []string{"serve"}
	}
	want := slices.Sorted(slices.Values(tags))
	for i := range m.graphs {
		if slices.Equal(m.graphs[i].Tags, want) {
			return m.graphs[i], nil
		}
	}
	sets := make([]string, len(m.graphs))
	for i, g := range m.graphs {
		sets[i] = "{" + strings.Join(g.Tags, ",") + "}"
	}
	return nil, &ModelError{Path: m.Dir, Problem: fmt.Sprintf("no graph has the tag set {%s}", strings.Join(want, ",")),
		Remedy: "tag sets there: " + strings.Join(sets, " ")}
}
