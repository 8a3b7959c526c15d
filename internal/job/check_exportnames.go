package job

import (
	"context"
	"path"
	"slices"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/store"
	"tfos/internal/work"
)

// A program may save files beside export_dir, under its name with something
// appended; they are published with it. A name that is taken is found here,
// before the training and not after it.

// modelEndings are those of Keras' and TensorFlow Lite's model files.
var modelEndings = []string{".keras", ".h5", ".weights.h5", ".hdf5", ".tflite"}

// exportNames refuses a taken name beside export_dir under which the program
// saves a model: the job's args name it, or it has the ending of a model file.
func (r *rules) exportNames(ctx context.Context) {
	expected := r.s.exportFiles()
	for _, found := range r.s.besideExport(ctx) {
		name := found.Path
		if !expected[name] {
			continue
		}
		n := len(r.faults)
		switch {
		case r.s.ExportIfExists == ifFail:
			r.broken("export_dir", name, "exists already, and the program may save a model under this name: remove it, choose another export_dir, or say export_if_exists: replace")
		case found.Dir:
			r.broken("export_dir", name, "is a folder, which is not replaced, and the program may save a model under this name: remove it, or choose another export_dir")
		}
		for i := n; i < len(r.faults); i++ {
			r.faults[i].Code, r.faults[i].Err = exit.Output, ErrExists
		}
	}
}

// savesFile tells whether export_dir is the name of a model file, as out/m.keras.
func (s *Spec) savesFile() bool {
	return s.exportKind() == work.KindExport && slices.Contains(modelEndings, path.Ext(s.ExportDir))
}

// besideExport are the entries beside export_dir whose names begin with its name.
// What cannot be listed is not there, or free says so.
func (s *Spec) besideExport(ctx context.Context) []store.Info {
	if len(s.exportFiles()) == 0 || !store.Knows(s.ExportDir) {
		return nil
	}
	st, err := store.For(s.ExportDir)
	if err != nil {
		return nil
	}
	found, _ := st.Match(ctx, store.Literal(strings.TrimSuffix(s.ExportDir, "/"))+"?*")
	return found
}

// exportFiles are the names beside export_dir under which a model is to be
// expected.
func (s *Spec) exportFiles() map[string]bool {
	names := map[string]bool{}
	if s.kind != Train || s.App.Python == nil || s.ExportDir == "" {
		return names
	}
	dir := strings.TrimSuffix(s.ExportDir, "/")
	for _, ending := range modelEndings {
		names[dir+ending] = true
	}
	for _, arg := range s.App.Python.Args.Argv {
		_, ending, found := strings.Cut(arg, "{export_dir}")
		if found && ending != "" && !strings.Contains(ending, "/") {
			names[dir+ending] = true
		}
	}
	return names
}

// ExportNameWarnings warns of other names that begin with that of export_dir and a
// dot: nobody can know whether the program saves a file under one of them. It reads
// the folder that export_dir is to lie in.
func ExportNameWarnings(ctx context.Context, s *Spec) []Fault {
	if s.ExportIfExists != ifFail {
		return nil
	}
	expected := s.exportFiles()
	const few = 3 // that are named
	var others []string
	for _, e := range s.besideExport(ctx) {
		if strings.HasPrefix(e.Path, strings.TrimSuffix(s.ExportDir, "/")+".") && !expected[e.Path] {
			others = append(others, path.Base(e.Path))
		}
	}
	if len(others) == 0 {
		return nil
	}
	r := &rules{s: s}
	if len(others) > few {
		others = append(others[:few:few], "…")
	}
	r.broken("export_dir", s.ExportDir, "%s beside it: what the program saves under a name that is taken is not published, but kept under another name", strings.Join(others, ", "))
	r.faults[0].Code = 0
	return r.faults
}
