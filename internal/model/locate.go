package model

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Resolve returns a source that names one model, so that all members of a run load
// the same:
//   - for saved_model.pb, its folder;
//   - for a folder of numbered versions, the highest version;
//   - for a folder of checkpoints, the newest;
//   - for a frozen graph, its file.
//
// The note says which of several versions was chosen. It is "" if there was one. If
// the path holds no model, the error is a *ModelError, with a remedy where one is
// known.
func (s Source) Resolve() (settled Source, note string, err error) {
	settled, note, err = s.local().resolve()
	return s.remote(settled), note, s.named(err)
}

func (s Source) resolve() (settled Source, note string, err error) {
	if s.Model == "" {
		s.Checkpoint, err = findCheckpoint(s.Checkpoint)
		return s, "", err
	}
	s.Model, note, err = findModel(s.Model)
	return s, note, err
}

// findModel is Resolve for the path of export_dir.
func findModel(path string) (found, note string, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", noSuchModel(path)
	case err != nil:
		return "", "", &ModelError{Path: path, Problem: "cannot be read", Err: err}
	case !info.IsDir():
		found, err = findModelFile(path)
		return found, "", err
	case holdsSavedModel(path):
		return path, "", refuseHub(path)
	}
	versions, others := modelFolders(path)
	if len(versions) > 0 {
		last := versions[len(versions)-1]
		if len(versions) > 1 {
			note = fmt.Sprintf("version %s is taken, the highest of %s", last, strings.Join(versions, ", "))
		}
		found = filepath.Join(path, last)
		return found, note, refuseHub(found)
	}
	if len(others) > 0 {
		return "", "", severalModels(path, others)
	}
	return "", "", noModel(path)
}

// noSuchModel returns the error for a path that does not exist. A program may have
// saved the model there in another format, as path with an extension. The error then
// says what that file is.
func noSuchModel(path string) error {
	path = strings.TrimRight(path, "/")
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)+".") || e.IsDir() {
			continue
		}
		if other := foreignFormat(filepath.Join(filepath.Dir(path), e.Name())); other != nil {
			other.Path, other.Problem = path, fmt.Sprintf("does not exist, but %s beside it: %s", e.Name(), other.Problem)
			return other
		}
	}
	return &ModelError{Path: path, Problem: "does not exist on this machine",
		Remedy: "give a SavedModel's folder that every executor can read"}
}

// findModelFile is findModel for the path of a file.
func findModelFile(path string) (string, error) {
	if name := filepath.Base(path); name == SavedModelFile || name == SavedModelText {
		folder := filepath.Dir(path)
		return folder, refuseHub(folder)
	}
	if other := foreignFormat(path); other != nil {
		return "", other
	}
	if holdsGraph(path) {
		return path, nil
	}
	return "", &ModelError{Path: path, Problem: "it is no model that TensorFlow wrote",
		Remedy: "give a SavedModel's folder, or a frozen graph's .pb file"}
}

func holdsSavedModel(folder string) bool {
	return exists(filepath.Join(folder, SavedModelFile)) || exists(filepath.Join(folder, SavedModelText))
}

var number = regexp.MustCompile(`^[0-9]+$`)

// modelFolders lists the folders in path that hold SavedModels: numbered versions
// in numeric order, and others by name.
func modelFolders(path string) (versions, others []string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil
	}
	for _, e := range entries {
		switch folder := filepath.Join(path, e.Name()); {
		case !holdsSavedModel(folder):
		case number.MatchString(e.Name()):
			versions = append(versions, e.Name())
		default:
			others = append(others, e.Name())
		}
	}
	slices.SortFunc(versions, func(a, b string) int {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return versions, others
}

// maxListed is the most items that a message lists.
const maxListed = 5

// severalModels returns the error for a folder with several SavedModels in it. The
// folders of TF-Hub's cache are named by hashes, so the error also lists their
// addresses.
func severalModels(path string, folders []string) error {
	var listed []string
	for _, name := range folders[:min(len(folders), maxListed)] {
		one := filepath.Join(path, name)
		if handle := hubHandle(one); handle != "" {
			one += " (" + handle + ")"
		}
		listed = append(listed, one)
	}
	if more := len(folders) - len(listed); more > 0 {
		listed = append(listed, fmt.Sprintf("and %d more", more))
	}
	return &ModelError{Path: path, Problem: "it is no SavedModel, but folders in it are", Remedy: "give one of them: " + strings.Join(listed, ", ")}
}

var hubModule = regexp.MustCompile(`(?m)^Module: (\S+)`)

// hubHandle returns the address from which TF-Hub downloaded a folder of its cache.
// It is "" for other folders.
func hubHandle(folder string) string {
	text, err := os.ReadFile(folder + ".descriptor.txt")
	if err != nil {
		return ""
	}
	if found := hubModule.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return ""
}

// noModel returns the error for a folder without a SavedModel. It says what the
// folder holds instead, where that is known.
func noModel(path string) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSuchModel(path)
	case err != nil:
		return &ModelError{Path: path, Problem: "cannot be read", Err: err}
	}
	if parent := filepath.Dir(path); filepath.Base(path) == "variables" && holdsSavedModel(parent) {
		return &ModelError{Path: path, Problem: "holds the variables of a SavedModel", Remedy: "give the SavedModel: " + parent}
	}
	for _, e := range entries {
		if e.Name() == stateFile || strings.HasSuffix(e.Name(), indexSuffix) {
			return &ModelError{Path: path, Problem: "holds a checkpoint and no " + SavedModelFile,
				Remedy: "a checkpoint with its .meta file runs as model_dir"}
		}
	}
	if other := foreignFormat(path); other != nil {
		return other
	}
	for _, e := range entries {
		one := filepath.Join(path, e.Name())
		if e.IsDir() {
			continue
		}
		if other := foreignFormat(one); other != nil {
			other.Path, other.Problem = path, fmt.Sprintf("holds %s, and no %s: %s", e.Name(), SavedModelFile, other.Problem)
			return other
		}
		if strings.HasPrefix(filepath.Ext(one), ".pb") && holdsGraph(one) {
			return &ModelError{Path: path, Problem: "holds a frozen graph and no " + SavedModelFile, Remedy: "give the file: " + one}
		}
	}
	return &ModelError{Path: path, Problem: "holds no " + SavedModelFile,
		Remedy: "give the folder that model.export() or tf.saved_model.save() wrote"}
}

// findCheckpoint is FindCheckpoint. If the path holds a model of another kind, the
// error says how to run that.
func findCheckpoint(path string) (string, error) {
	prefix, err := FindCheckpoint(path)
	if err == nil {
		return prefix, nil
	}
	if found, _, other := findModel(path); other == nil {
		return "", &ModelError{Path: path, Problem: "it is no checkpoint, but a model that runs as export_dir", Remedy: "export_dir: " + found}
	}
	if other := foreignFormat(path); other != nil {
		return "", other
	}
	return "", err
}
