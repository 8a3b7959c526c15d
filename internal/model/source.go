package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Source says where a model is: a SavedModel's graph or a frozen graph, or, without
// Model, a checkpoint with its graph.
type Source struct {
	Model      string   `json:"model,omitempty"`      // SavedModel, or what leads to one; or a frozen graph's file: see Settle
	TagSet     []string `json:"tag_set,omitempty"`    // of its graph; none: serve
	Checkpoint string   `json:"checkpoint,omitempty"` // see FindCheckpoint
}

// Path is what the user named.
func (s Source) Path() string {
	if s.Model == "" {
		return s.Checkpoint
	}
	return s.Model
}

// Digest tells models apart: the SHA-256, in hex, of the graph's file and of the
// variables' index, which holds the checksum of every value, and of a
// SavedModel's assets.
func (s Source) Digest() (string, error) {
	s, _, err := s.Settle()
	if err != nil {
		return "", err
	}
	graph, index := filepath.Join(s.Model, binaryFile), variablesOf(s.Model)+indexSuffix
	switch {
	case s.Model == "":
		graph, index = s.Checkpoint+metaSuffix, s.Checkpoint+indexSuffix
	case !s.Frozen() && !exists(graph):
		graph = filepath.Join(s.Model, textFile)
	}
	paths := []string{graph, index}
	if s.Frozen() {
		paths = []string{s.Model}
	}
	assets, err := s.assets()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, path := range append(paths, assets...) {
		content, err := os.ReadFile(path)
		if err != nil && (path != index || !errors.Is(err, fs.ErrNotExist)) { // not all models have variables
			return "", &ModelError{Path: path, Problem: "cannot be read", Err: err}
		}
		fmt.Fprintln(sum, filepath.Base(path), len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// assets are the files beside a SavedModel's graph, such as vocabularies.
func (s Source) assets() ([]string, error) {
	if s.Model == "" || s.Frozen() {
		return nil, nil
	}
	var paths []string
	err := filepath.WalkDir(filepath.Join(s.Model, "assets"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &ModelError{Path: s.Model, Problem: "cannot be read", Err: err}
	}
	return paths, nil // in lexical order
}

// Frozen tells whether a settled source is a frozen graph's file.
func (s Source) Frozen() bool { return s.Model != "" && exists(s.Model) }

// Graph opens the model's graph. What is not there is a *ModelError.
func (s Source) Graph() (*MetaGraph, error) {
	s, _, err := s.Settle()
	if err != nil {
		return nil, err
	}
	switch {
	case s.Model == "":
		checkpoint, err := OpenCheckpoint(s.Checkpoint)
		if err != nil {
			return nil, err
		}
		return checkpoint.MetaGraph, nil
	case s.Frozen():
		return OpenFrozen(s.Model)
	}
	saved, err := Open(s.Model)
	if err != nil {
		return nil, err
	}
	return saved.MetaGraph(s.TagSet...)
}
