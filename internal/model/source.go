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

// Source says where a model is. Checkpoint counts only if Model is empty.
type Source struct {
	Model      string   `json:"model,omitempty"`      // a SavedModel or a frozen graph's file: see Resolve
	TagSet     []string `json:"tag_set,omitempty"`    // of a SavedModel's graph. Empty: serve
	Checkpoint string   `json:"checkpoint,omitempty"` // a checkpoint with its graph: see FindCheckpoint
}

// Path returns the path that the user named.
func (s Source) Path() string {
	if s.Model == "" {
		return s.Checkpoint
	}
	return s.Model
}

// Digest returns a SHA-256, in hex, that differs between models. It covers the
// graph's file, the index of the variables and a SavedModel's assets. The index
// holds a checksum of every variable's value.
func (s Source) Digest() (string, error) {
	s, _, err := s.Resolve()
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

// assets lists the files in a SavedModel's folder assets, such as vocabularies.
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

// Frozen reports whether a settled source is a frozen graph's file.
func (s Source) Frozen() bool { return s.Model != "" && exists(s.Model) }

// Graph opens the model's graph. If it cannot be found or read, the error is a
// *ModelError.
func (s Source) Graph() (*MetaGraph, error) {
	s, _, err := s.Resolve()
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
