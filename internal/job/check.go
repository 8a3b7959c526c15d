package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
	"tfos/internal/work"
)

// Check looks at the file system of this machine and at stores, at once before a run:
// files that must be there (code 2) and outputs that must not (code 7, ErrExists). It
// changes nothing. Inputs that a remote cluster reads are not looked at. The error is a
// Faults.
func Check(ctx context.Context, s *Spec) error {
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
	for _, a := range s.archives() {
		if !IsURL(a.path) {
			r.isFile(a.key, a.path)
		}
	}
	if s.Spark.Home != "" && s.Where().Spark() {
		r.isFolder("spark.home", s.Spark.Home)
	}
	if s.readsHere() {
		for _, src := range s.sources() {
			r.inputThere(ctx, src)
		}
		m := &rules{s: s.here()}
		if s.kind == Infer && (s.ExportDir != "" || s.ModelDir != "") {
			m.modelThere()
		}
		if s.kind == Export {
			m.exportable()
		}
		if s.trainsGraph() {
			m.graphThere()
		}
		r.faults = append(r.faults, s.inURLs(m.faults)...)
	}
	r.outputs(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return Faults(r.faults).err()
}

// CheckOutputs is the part of Check that looks at outputs, which must not be there.
func CheckOutputs(ctx context.Context, s *Spec) error {
	r := &rules{s: s}
	r.outputs(ctx)
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
func (r *rules) inputThere(ctx context.Context, src namedSource) {
	at, path := join(src.path, "path"), src.Path
	if path == "" || !store.Knows(path) {
		return
	}
	if !store.IsPattern(path) && !IsURL(path) {
		if _, ok := r.stat(at, path); !ok {
			return
		}
	}
	st, err := store.For(path)
	var found []store.Info
	if err == nil {
		found, err = st.Match(ctx, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.broken(at, path, "does not exist")
		return
	case err != nil:
		// Spark may have settings of a store that this process does not see.
		if !IsURL(path) || r.s.readBy(src.Source) != bySpark {
			r.broken(at, path, "cannot be listed: %v", err)
		}
		return
	case len(found) == 0:
		r.broken(at, path, "matches nothing")
		return
	}
	for _, f := range r.s.folders() {
		if IsURL(f.path) || IsURL(path) { // validate has compared the names, and stores have no links
			continue
		}
		// What cannot be looked at is the reader's to say.
		if o, err := store.OverlapOf(ctx, path, f.path); err == nil {
			r.apart(f, src, o)
		}
	}
}

// outputs checks that an output is free, or may be replaced and is a folder.
func (r *rules) outputs(ctx context.Context) {
	s := r.s
	switch {
	case s.ServingLayout:
		r.versions(ctx)
	case s.kind != Infer && s.ExportDir != "":
		r.free(ctx, "export_dir", s.ExportDir, "export_if_exists", s.ExportIfExists, model.SavedModelFile, work.ExportMark)
		r.exportNames(ctx)
	}
	if _, skipped := Skipped(ctx, s); s.Output != nil && !skipped {
		r.free(ctx, "output.path", s.Output.Path, "output.if_exists", s.Output.IfExists, outputMark)
	}
}

// outputMark is in every complete folder of rows.
const outputMark = "_SUCCESS"

// Skipped tells whether a job has nothing to do, because its complete output is
// there and it says if_exists: skip; path is that output.
func Skipped(ctx context.Context, s *Spec) (path string, skipped bool) {
	if s.Output == nil || s.Output.IfExists != ifSkip {
		return "", false
	}
	return s.Output.Path, marked(ctx, s.Output.Path, outputMark)
}

// free checks that path is not there, or that it may be replaced: a folder that
// holds nothing, or one of the marks of an output like the one that replaces it. A store
// that only a remote cluster reaches is for the run to look at.
func (r *rules) free(ctx context.Context, at, path, key, ifExists string, marks ...string) {
	if !store.Knows(path) {
		return
	}
	if r.s.interrupted(ctx, path) {
		return
	}
	there, err := lookAt(ctx, path, marks...)
	if errors.Is(err, fs.ErrNotExist) || err != nil && IsURL(path) && !r.s.readsHere() {
		return
	}
	n := len(r.faults)
	switch {
	case err != nil:
		r.broken(at, path, "cannot be looked at: %v", reason(err))
	case ifExists == ifResume && there.marked: // see Unchanged
	case ifExists == ifFail:
		r.broken(at, path, "exists already: choose another, remove it, or say %s: replace", key)
	case ifExists == ifSkip, ifExists == ifResume:
		r.broken(at, path, "exists already and is not complete, for it has no %s: remove it", strings.Join(marks, " and no "))
	case at == "export_dir" && there.file && r.s.savesFile(): // as model.save(export_dir) left it
	case !there.folder:
		r.broken(at, path, "is no folder: it is not replaced")
	case !there.marked && !there.empty:
		r.broken(at, path, "holds other files and no %s: it is not replaced", strings.Join(marks, " and no "))
	}
	for i := n; i < len(r.faults); i++ {
		r.faults[i].Code, r.faults[i].Err = exit.Output, ErrExists
	}
}
