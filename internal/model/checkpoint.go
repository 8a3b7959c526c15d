package model

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// File names of checkpoints (tensorflow/python/checkpoint).
const (
	stateFile   = "checkpoint"
	indexSuffix = ".index"
	metaSuffix  = ".meta"
)

// initCollections name the operations that fill a graph's tables, but not its
// variables. TensorFlow 1 uses the first collection, SavedModels the others.
var initCollections = []string{"table_initializer", "saved_model_main_op", "legacy_init_op"}

// FindCheckpoint returns the prefix of the checkpoint at path. path is a prefix, an
// .index or .meta file, or a folder. In a folder it chooses the newest: the one that
// the file "checkpoint" names, or else by time. If there is no checkpoint, the error
// is a *ModelError.
func FindCheckpoint(path string) (prefix string, err error) {
	for _, suffix := range []string{"", indexSuffix, metaSuffix} {
		prefix, cut := strings.CutSuffix(path, suffix)
		if cut && exists(prefix+indexSuffix) {
			return prefix, nil
		}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", &ModelError{Path: path, Problem: "there is no such checkpoint on this machine",
			Remedy: "give a folder of checkpoints, or a checkpoint's path without .index"}
	case !info.IsDir():
		return "", &ModelError{Path: path, Problem: "it is no checkpoint: there is no " + filepath.Base(path) + indexSuffix}
	}
	if text, err := os.ReadFile(filepath.Join(path, stateFile)); err == nil {
		if prefix, ok := newest(path, text); ok && exists(prefix+indexSuffix) {
			return prefix, nil
		}
	}
	return newestByTime(path)
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// newestLine matches a field of tensorflow/python/training/checkpoint_state.proto in
// text format.
var newestLine = regexp.MustCompile(`(?m)^\s*model_checkpoint_path:\s*("(?:[^"\\]|\\.)*")`)

// newest returns the prefix that the file "checkpoint" of a folder names. Of an absolute
// path it looks for the name in the folder first: the folder may be a copy, of another
// machine or of a store.
func newest(dir string, text []byte) (prefix string, ok bool) {
	found := newestLine.FindSubmatch(text)
	if found == nil {
		return "", false
	}
	name, err := strconv.Unquote(strings.ReplaceAll(string(found[1]), `\'`, `'`)) // Go does not know this escape
	if err != nil {
		return "", false
	}
	if !filepath.IsAbs(name) {
		return filepath.Join(dir, name), true
	}
	if beside := filepath.Join(dir, filepath.Base(name)); exists(beside+indexSuffix) || !exists(name+indexSuffix) {
		name = beside
	}
	return name, true
}

func newestByTime(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", &ModelError{Path: dir, Problem: "cannot be read", Err: err}
	}
	var last fs.FileInfo
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), indexSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && (last == nil || info.ModTime().After(last.ModTime())) {
			last = info
		}
	}
	if last == nil {
		return "", &ModelError{Path: dir, Problem: "holds no checkpoint", Remedy: "give the folder that holds a file ending in .index"}
	}
	return filepath.Join(dir, strings.TrimSuffix(last.Name(), indexSuffix)), nil
}

// Checkpoint is a checkpoint with the graph that wrote it.
type Checkpoint struct {
	Prefix string
	*MetaGraph
}

// OpenCheckpoint opens the checkpoint that FindCheckpoint finds, and the .meta file
// beside it. TensorFlow 1's tf.train.Saver writes both. If the .meta file is missing
// or damaged, the error is a *ModelError.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	prefix, err := FindCheckpoint(path)
	if err != nil {
		return nil, err
	}
	if !exists(prefix + metaSuffix) {
		return nil, withoutGraph(prefix)
	}
	graph, err := openMeta(prefix + metaSuffix)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Prefix: prefix, MetaGraph: graph}
	if !graph.restores() {
		return nil, &ModelError{Path: prefix + metaSuffix, Problem: "its graph has no operation that restores variables",
			Remedy: "write it with tf.train.Saver.save"}
	}
	return c, nil
}

// openMeta reads a .meta file, binary or text.
func openMeta(path string) (*MetaGraph, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, &ModelError{Path: path, Problem: "cannot be read", Err: err}
	}
	pb := &corepb.MetaGraphDef{}
	if err := proto.Unmarshal(raw, pb); err != nil {
		text := prototext.UnmarshalOptions{DiscardUnknown: true}
		if text.Unmarshal(raw, pb) != nil {
			return nil, &ModelError{Path: path, Problem: "it is damaged, or no graph", Remedy: "copy it again", Err: err}
		}
	}
	return newMetaGraph(path, pb), nil
}

// initializers returns the operations that fill tables. They run once.
func (c *Checkpoint) initializers() []string {
	if c.pb.GetSignatureDef()[initSignature] != nil { // the graph of a SavedModel
		return c.mainOp()
	}
	var names []string
	for _, collection := range initCollections {
		names = append(names, c.pb.GetCollectionDef()[collection].GetNodeList().GetValue()...)
	}
	return names
}
