package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source says where a model is. Checkpoint counts only if Model is empty.
type Source struct {
	Model      string   `json:"model,omitempty"`      // a SavedModel or a frozen graph's file: see Resolve
	TagSet     []string `json:"tag_set,omitempty"`    // of a SavedModel's graph. Empty: serve
	Checkpoint string   `json:"checkpoint,omitempty"` // a checkpoint with its graph: see FindCheckpoint
	// Here is the path of the copy on this machine, if Model or Checkpoint is a URL. ""
	// for local paths.
	Here string `json:"-"`
}

// local returns the source of local paths.
func (s Source) local() Source {
	switch {
	case s.Here == "":
	case s.Model != "":
		s.Model = s.Here
	default:
		s.Checkpoint = s.Here
	}
	s.Here = ""
	return s
}

// remote returns a settled source of local paths with the URL that it has in the place of s.
func (s Source) remote(settled Source) Source {
	if s.Here == "" {
		return settled
	}
	here := settled.Path()
	url := s.inURL(here)
	settled.Here = here
	if settled.Model != "" {
		settled.Model = url
	} else {
		settled.Checkpoint = url
	}
	return settled
}

// inURL returns a text with the URL's folder in the place of the copy's.
func (s Source) inURL(text string) string {
	url := s.Path()
	return strings.ReplaceAll(text, filepath.Dir(s.Here), strings.TrimSuffix(url[:strings.LastIndexByte(url, '/')], "/"))
}

// named returns an error about a copy as one about the URL.
func (s Source) named(err error) error {
	var known *ModelError
	if s.Here == "" || !errors.As(err, &known) {
		return err
	}
	e := *known
	e.Path, e.Problem, e.Remedy, e.Command = s.inURL(e.Path), s.inURL(e.Problem), s.inURL(e.Remedy), s.inURL(e.Command)
	return &e
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
	digest, err := s.local().digest()
	return digest, s.named(err)
}

func (s Source) digest() (string, error) {
	s, _, err := s.Resolve()
	if err != nil {
		return "", err
	}
	graph, index := filepath.Join(s.Model, SavedModelFile), variablesOf(s.Model)+indexSuffix
	switch {
	case s.Model == "":
		graph, index = s.Checkpoint+metaSuffix, s.Checkpoint+indexSuffix
	case !s.Frozen() && !exists(graph):
		graph = filepath.Join(s.Model, SavedModelText)
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
func (s Source) Frozen() bool { return s.Model != "" && exists(s.local().Model) }

// Graph opens the model's graph. If it cannot be found or read, the error is a
// *ModelError.
func (s Source) Graph() (*MetaGraph, error) {
	graph, err := s.local().graph()
	return graph, s.named(err)
}

func (s Source) graph() (*MetaGraph, error) {
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
