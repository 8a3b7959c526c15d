package model

import (
	"os"
	"path/filepath"
	"strings"
)

// Kinds of what Describe finds.
const (
	KindSavedModel = "saved_model"
	KindCheckpoint = "checkpoint" // with its graph
	KindGraph      = "graph"      // a .meta file without its checkpoint
	KindVariables  = "variables"  // a checkpoint without its graph
)

// Description is all that a model on disk says of itself.
type Description struct {
	Path      string // a SavedModel's folder, a checkpoint's prefix, a .meta file
	Kind      string
	Graphs    []*MetaGraph
	Variables []Variable
}

// Describe opens what a path names: a SavedModel's folder or file, a
// checkpoint or a folder of them, a .meta file. What is none of these is a
// *ModelError.
func Describe(path string) (*Description, error) {
	if name := filepath.Base(path); name == binaryFile || name == textFile {
		path = filepath.Dir(path)
	}
	saved, err := Open(path)
	if err == nil {
		return describeSavedModel(saved)
	}
	if exists(filepath.Join(path, binaryFile)) || exists(filepath.Join(path, textFile)) {
		return nil, err
	}
	prefix, notFound := FindCheckpoint(path)
	if notFound == nil {
		return describeCheckpoint(prefix)
	}
	if strings.HasSuffix(path, metaSuffix) && exists(path) {
		graph, err := openMeta(path)
		if err != nil {
			return nil, err
		}
		return &Description{Path: path, Kind: KindGraph, Graphs: []*MetaGraph{graph}}, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, &ModelError{Path: path, Problem: "there is no such file or folder"}
	}
	return nil, &ModelError{Path: path, Problem: "it holds neither a SavedModel nor a checkpoint"}
}

func describeSavedModel(saved *SavedModel) (*Description, error) {
	d := &Description{Path: saved.Dir, Kind: KindSavedModel, Graphs: saved.graphs}
	if !exists(saved.Variables() + indexSuffix) {
		return d, nil
	}
	var err error
	d.Variables, err = Variables(saved.Variables())
	return d, err
}

func describeCheckpoint(prefix string) (*Description, error) {
	d := &Description{Path: prefix, Kind: KindVariables}
	if exists(prefix + metaSuffix) {
		graph, err := openMeta(prefix + metaSuffix)
		if err != nil {
			return nil, err
		}
		d.Kind, d.Graphs = KindCheckpoint, []*MetaGraph{graph}
	}
	var err error
	d.Variables, err = Variables(prefix)
	return d, err
}
