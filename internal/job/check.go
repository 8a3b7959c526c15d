package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/store"
	"tfos/internal/work"
)

// Check looks at the file system of this machine, at once before a run: files
// that must be there (code 2) and outputs that must not (code 7, ErrExists). It
// changes nothing. URLs, and inputs that a remote cluster reads, are not looked
// at. The error is a Faults.
func Check(s *Spec) error {
	r := &rules{s: s}
	if p := s.App.Python; p != nil && s.kind == Train {
		if p.File != "" {
			r.isFile("app.python.file", p.File)
		}
		r.bundle()
		for i, file := range p.PyFiles {
			r.isFile(indexed("app.python.py_files", i), file)
		}
		if strings.Contains(p.Interpreter, "/") && s.readsHere() {
			r.isFile("app.python.interpreter", p.Interpreter)
		}
	}
	for i, file := range s.TensorFlow.OpLibraries {
		if isLibraryFile(file) {
			r.isFile(indexed("tensorflow.op_libraries", i), file)
		}
	}
	if s.Spark.Home != "" && s.Where().Spark() {
		r.isFolder("spark.home", s.Spark.Home)
	}
	if s.readsHere() {
		for _, src := range s.sources() {
			r.inputThere(src)
		}
		if s.kind == Infer && (s.ExportDir != "" || s.ModelDir != "") {
			r.modelThere()
		}
		if s.kind == Export {
			r.exportable()
		}
		if s.trainsGraph() {
			r.graphThere()
		}
	}
	r.outputs()
	return Faults(r.faults).err()
}

// CheckOutputs is the part of Check that looks at outputs, which must not be there.
func CheckOutputs(s *Spec) error {
	r := &rules{s: s}
	r.outputs()
	return Faults(r.faults).err()
}

// readsHere tells whether executors see this machine's files.
func (s *Spec) readsHere() bool { return s.Where().place().filesHere }

func (r *rules) isFile(at, file string) {
	info, ok := r.stat(at, file)
	if ok && info.IsDir() {
		r.broken(at, file, "must be a file, not a folder")
	}
}

func (r *rules) isFolder(at, folder string) {
	info, ok := r.stat(at, folder)
	if ok && !info.IsDir() {
		r.broken(at, folder, "must be a folder")
	}
}

// stat notes why a path cannot be looked at. A URL is not looked at.
func (r *rules) stat(at, file string) (fs.FileInfo, bool) {
	if IsURL(file) {
		return nil, false
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.broken(at, file, "does not exist")
	case err != nil:
		r.broken(at, file, "cannot be read: %v", errors.Unwrap(err))
	}
	return info, err == nil
}

// inputThere checks that an input path, or a match of its pattern, is there, and
// that no link leads from it to a folder of the job, or back.
func (r *rules) inputThere(src namedSource) {
	at, path := join(src.path, "path"), src.Path
	if path == "" || IsURL(path) {
		return
	}
	if !store.IsPattern(path) {
		if _, ok := r.stat(at, path); !ok {
			return
		}
	}
	ctx := context.Background()
	found, err := store.Local{}.Match(ctx, path)
	switch {
	case err != nil:
		r.broken(at, path, "cannot be listed: %v", err)
		return
	case len(found) == 0:
		r.broken(at, path, "matches nothing")
		return
	}
	for _, f := range r.s.folders() {
		if IsURL(f.path) {
			continue
		}
		// What cannot be looked at is the reader's to say.
		if o, err := store.OverlapOf(ctx, path, f.path); err == nil {
			r.apart(f, src, o)
		}
	}
}

// outputs checks that an output is free, or may be replaced and is a folder.
func (r *rules) outputs() {
	s := r.s
	switch {
	case s.ServingLayout:
		r.versions()
	case s.kind != Infer && s.ExportDir != "":
		r.free("export_dir", s.ExportDir, "export_if_exists", s.ExportIfExists, "saved_model.pb", work.ExportMark)
		r.exportNames()
	}
	if _, skipped := Skipped(s); s.Output != nil && !skipped {
		r.free("output.path", s.Output.Path, "output.if_exists", s.Output.IfExists, outputMark)
	}
}

// outputMark is in every complete folder of rows.
const outputMark = "_SUCCESS"

// Skipped tells whether a job has nothing to do, because its complete output is
// there and it says if_exists: skip; path is that output.
func Skipped(s *Spec) (path string, skipped bool) {
	if s.Output == nil || s.Output.IfExists != ifSkip {
		return "", false
	}
	return s.Output.Path, marked(s.Output.Path, outputMark)
}

// free checks that path is not there, or that it may be replaced: a folder that
// holds nothing, or one of the marks of an output like the one that replaces it.
func (r *rules) free(at, path, key, ifExists string, marks ...string) {
	if IsURL(path) {
		return
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	n := len(r.faults)
	switch {
	case err != nil:
		r.broken(at, path, "cannot be looked at: %v", errors.Unwrap(err))
	case ifExists == ifResume && marked(path, marks...): // see Unchanged
	case ifExists == ifFail:
		r.broken(at, path, "exists already: choose another, remove it, or say %s: replace", key)
	case ifExists == ifSkip, ifExists == ifResume:
		r.broken(at, path, "exists already and is not complete, for it has no %s: remove it", strings.Join(marks, " and no "))
	case at == "export_dir" && info.Mode().IsRegular() && r.s.savesFile(): // as model.save(export_dir) left it
	case !info.IsDir() && info.Mode()&fs.ModeSymlink == 0:
		r.broken(at, path, "is no folder: it is not replaced")
	case !ours(path, marks...):
		r.broken(at, path, "holds other files and no %s: it is not replaced", strings.Join(marks, " and no "))
	}
	for i := n; i < len(r.faults); i++ {
		r.faults[i].Code, r.faults[i].Err = exit.Output, ErrExists
	}
}

// marked tells whether a folder has one of the marks of a complete output.
func marked(folder string, marks ...string) bool {
	return slices.ContainsFunc(marks, func(mark string) bool {
		_, err := os.Stat(filepath.Join(folder, mark))
		return err == nil
	})
}

// ours tells whether a folder is empty or has a mark of an earlier output.
func ours(folder string, marks ...string) bool {
	if marked(folder, marks...) {
		return true
	}
	entries, err := os.ReadDir(folder)
	return err == nil && len(entries) == 0
}
