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

// Collections of a graph with operations that make it ready, and not its
// variables: tables. TensorFlow 1 names the former, SavedModels the latter.
var initCollections = []string{"table_initializer", "saved_model_main_op", "legacy_init_op"}

// FindCheckpoint returns the prefix of a checkpoint: path itself, where it is
// one or a file of one; in a folder the newest, as its file "checkpoint" says,
// or else by time. None is a *ModelError.
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

// newestLine is of tensorflow/python/training/checkpoint_state.proto as text.
var newestLine = regexp.MustCompile(`(?m)^\s*model_checkpoint_path:\s*("(?:[^"\\]|\\.)*")`)

// newest is the checkpoint that the file "checkpoint" of a folder names, which
// may have been copied since.
func newest(dir string, text []byte) (prefix string, ok bool) {
	found := newestLine.FindSubmatch(text)
	if found == nil {
		return "", false
	}
	name, err := strconv.Unquote(strings.ReplaceAll(string(found[1]), `\'`, `'`)) // which Go does not escape
	if err != nil {
		return "", false
	}
	if !filepath.IsAbs(name) {
		return filepath.Join(dir, name), true
	}
	if !exists(name + indexSuffix) {
		name = filepath.Join(dir, filepath.Base(name))
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

// OpenCheckpoint opens the checkpoint that FindCheckpoint finds and the .meta
// file beside it, as TensorFlow 1's tf.train.Saver writes both. Without a .meta
// file, and with a damaged one, it is a *ModelError.
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
	if saver := graph.pb.GetSaverDef(); saver.GetRestoreOpName() == "" || saver.GetFilenameTensorName() == "" {
		return nil, &ModelError{Path: prefix + metaSuffix, Problem: "its graph has no operation that restores variables",
			Remedy: "write it with tf.train.Saver.save"}
	}
	return c, nil
}

// openMeta reads a .meta file, which may be text.
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

// initializers are the operations that fill tables, to be run once.
func (c *Checkpoint) initializers() []string {
	var names []string
	for _, collection := range initCollections {
		names = append(names, c.pb.GetCollectionDef()[collection].GetNodeList().GetValue()...)
	}
	return names
}
