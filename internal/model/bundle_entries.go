package model

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// bundle is the index of a checkpoint.
type bundle struct {
	prefix  string
	header  *corepb.BundleHeaderProto
	entries map[string]*corepb.BundleEntryProto // by key; those of partitioned variables' slices too
}

// readBundle reads a checkpoint's index. If it cannot be read, the error is a
// *ModelError.
func readBundle(prefix string) (*bundle, error) {
	b := &bundle{prefix: prefix, header: &corepb.BundleHeaderProto{}, entries: map[string]*corepb.BundleEntryProto{}}
	raw, err := os.ReadFile(prefix + indexSuffix)
	if err != nil {
		return nil, &ModelError{Path: prefix + indexSuffix, Problem: "cannot be read", Err: err}
	}
	err = eachEntry(raw, func(key string, value []byte) error {
		if key == "" {
			return proto.Unmarshal(value, b.header)
		}
		b.entries[key] = &corepb.BundleEntryProto{}
		return proto.Unmarshal(value, b.entries[key])
	})
	if err != nil {
		return nil, &ModelError{Path: prefix + indexSuffix, Problem: "it is damaged", Remedy: "copy the checkpoint again", Err: err}
	}
	return b, nil
}

// completeBundle is readBundle for a checkpoint whose values are needed. If a data file
// is missing or too short, the error names a complete checkpoint beside it.
func completeBundle(prefix string) (*bundle, error) {
	b, err := readBundle(prefix)
	if err != nil {
		return nil, err
	}
	problem := b.incomplete()
	if problem == "" {
		return b, nil
	}
	remedy := "copy it again"
	if newest := newestComplete(filepath.Dir(prefix)); newest != "" {
		remedy += ", or give the newest complete one beside it: " + newest
	}
	return nil, &ModelError{Path: prefix, Problem: "the checkpoint is not complete: " + problem, Remedy: remedy}
}

// CheckpointProblem says why the variables of a checkpoint cannot be read: its index is
// missing or damaged, or a data file is missing or too short. It returns "" for a
// complete checkpoint.
func CheckpointProblem(prefix string) string {
	b, err := readBundle(prefix)
	if unreadable := (*ModelError)(nil); errors.As(err, &unreadable) {
		return filepath.Base(unreadable.Path) + ": " + unreadable.Problem
	}
	return b.incomplete()
}

// dataFile returns the path of a data file of the checkpoint.
func (b *bundle) dataFile(shard int32) string {
	return fmt.Sprintf("%s.data-%05d-of-%05d", b.prefix, shard, b.header.GetNumShards())
}

// dataFiles returns the paths of all data files.
func (b *bundle) dataFiles() []string {
	var paths []string
	for shard := range b.header.GetNumShards() {
		paths = append(paths, b.dataFile(shard))
	}
	return paths
}

// incomplete says which data file is missing or too short. It returns "" if none is.
func (b *bundle) incomplete() string {
	need := map[int32]int64{}
	for _, e := range b.entries {
		need[e.GetShardId()] = max(need[e.GetShardId()], e.GetOffset()+e.GetSize())
	}
	for shard := range b.header.GetNumShards() {
		path := b.dataFile(shard)
		switch info, err := os.Stat(path); {
		case err != nil:
			return filepath.Base(path) + " is missing"
		case info.Size() < need[shard]:
			return fmt.Sprintf("%s has %d bytes of %d", filepath.Base(path), info.Size(), need[shard])
		}
	}
	return ""
}

// newestComplete returns the prefix of the newest checkpoint of a folder, by time,
// that has all its data. It returns "" if there is none.
func newestComplete(dir string) string {
	type found struct {
		prefix string
		time   time.Time
	}
	var all []found
	entries, _ := os.ReadDir(dir) // no folder has no checkpoint
	for _, e := range entries {
		prefix, ok := strings.CutSuffix(filepath.Join(dir, e.Name()), indexSuffix)
		if info, err := e.Info(); ok && err == nil {
			all = append(all, found{prefix, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(x, y found) int { return cmp.Or(y.time.Compare(x.time), strings.Compare(y.prefix, x.prefix)) })
	for _, f := range all {
		if b, err := readBundle(f.prefix); err == nil && b.incomplete() == "" {
			return f.prefix
		}
	}
	return ""
}

// objects returns the object graph of a TensorFlow 2 checkpoint. It is empty for a
// checkpoint of TensorFlow 1.
func (b *bundle) objects() (*corepb.TrackableObjectGraph, error) { return readObjectGraph(b.prefix) }
