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

// Source says where a model is: a SavedModel's graph, or, without Model, a
// checkpoint with its graph.
type Source struct {
	Model      string   `json:"model,omitempty"`      // SavedModel folder
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
// variables' index, which holds the checksum of every value.
func (s Source) Digest() (string, error) {
	graph, index := filepath.Join(s.Model, binaryFile), filepath.Join(s.Model, "variables", "variables"+indexSuffix)
	if s.Model == "" {
		prefix, err := FindCheckpoint(s.Checkpoint)
		if err != nil {
			return "", err
		}
		graph, index = prefix+metaSuffix, prefix+indexSuffix
	} else if !exists(graph) {
		graph = filepath.Join(s.Model, textFile)
	}
	sum := sha256.New()
	for _, path := range []string{graph, index} {
		content, err := os.ReadFile(path)
		if err != nil && (path == graph || !errors.Is(err, fs.ErrNotExist)) { // not all models have variables
			return "", &ModelError{Path: path, Problem: "cannot be read", Err: err}
		}
		fmt.Fprintln(sum, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Graph opens the model's graph. What is not there is a *ModelError.
func (s Source) Graph() (*MetaGraph, error) {
	if s.Model == "" {
		checkpoint, err := OpenCheckpoint(s.Checkpoint)
		if err != nil {
			return nil, err
		}
		return checkpoint.MetaGraph, nil
	}
	saved, err := Open(s.Model)
	if err != nil {
		return nil, err
	}
	return saved.MetaGraph(s.TagSet...)
}
