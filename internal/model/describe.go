package model

import (
	"path/filepath"
	"strings"
)

// Kinds of models that Describe finds.
const (
	KindSavedModel = "saved_model"
	KindFrozen     = "frozen_graph" // a file with a graph whose variables are constants
	KindCheckpoint = "checkpoint"   // with its graph
	KindGraph      = "graph"        // a .meta file without its checkpoint
	KindVariables  = "variables"    // a checkpoint without its graph
)

// Description is what the files of a model say about it.
type Description struct {
	Path      string // a SavedModel's folder, a frozen graph's file, a checkpoint's prefix, a .meta file
	Kind      string
	Note      string // which of several models was chosen. "": there was one
	Graphs    []*MetaGraph
	Variables []Variable
}

// Describe opens the model at a path: any that Source.Resolve finds, a checkpoint
// with or without its graph, or a .meta file without its checkpoint. If the path
// holds none of these, the error is a *ModelError.
func Describe(path string) (*Description, error) {
	if strings.HasSuffix(path, metaSuffix) && exists(path) && !exists(strings.TrimSuffix(path, metaSuffix)+indexSuffix) {
		graph, err := openMeta(path)
		if err != nil {
			return nil, err
		}
		return &Description{Path: path, Kind: KindGraph, Graphs: []*MetaGraph{graph}}, nil
	}
	if prefix := checkpointAt(path); prefix != "" {
		return describeCheckpoint(prefix)
	}
	settled, note, err := Source{Model: path}.Resolve()
	if err != nil {
		return nil, err
	}
	if settled.Frozen() {
		graph, err := OpenFrozen(settled.Model)
		if err != nil {
			return nil, err
		}
		return &Description{Path: settled.Model, Kind: KindFrozen, Graphs: []*MetaGraph{graph}}, nil
	}
	saved, err := Open(settled.Model)
	if err != nil {
		return nil, err
	}
	d, err := describeSavedModel(saved)
	if err == nil {
		d.Note = note
	}
	return d, err
}

// IsCheckpoint reports whether the model at a path is a checkpoint, with or without its
// graph, and no SavedModel.
func IsCheckpoint(path string) bool { return checkpointAt(path) != "" }

// checkpointAt returns the prefix of the checkpoint at a path. It is "" if there is
// none, or a SavedModel.
func checkpointAt(path string) string {
	prefix, err := FindCheckpoint(path)
	if err != nil || holdsSavedModel(path) || insideSavedModel(prefix) {
		return ""
	}
	return prefix
}

// insideSavedModel reports whether a checkpoint holds the variables of a SavedModel.
func insideSavedModel(prefix string) bool {
	return variablesOf(filepath.Dir(filepath.Dir(prefix))) == prefix && holdsSavedModel(filepath.Dir(filepath.Dir(prefix)))
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
