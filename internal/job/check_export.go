package job

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// exportable looks whether the model can be exported as the job says.
func (r *rules) exportable() {
	s := r.s
	_, err := s.exportSource().Export(s.signatureChoice())
	if err == nil {
		return
	}
	at, path := "model_dir", s.ModelDir
	if path == "" {
		at, path = "app.graph.path", s.graphPath()
	}
	var known *model.ModelError
	if !errors.As(err, &known) {
		r.broken(at, path, "%v", err)
		return
	}
	if graph := s.graphPath(); known.Path == graph {
		at, path = "app.graph.path", graph
	}
	r.broken(at, path, "%s", known.Reason())
}

// versions checks that export_dir is free for a folder of versions, or is one.
func (r *rules) versions() {
	path := r.s.ExportDir
	info, err := os.Stat(path)
	if err != nil {
		return // it is made
	}
	switch {
	case !info.IsDir():
		r.broken("export_dir", path, "is no folder: serving_layout makes a folder of numbered versions there")
	case marked(context.Background(), path, "saved_model.pb", "saved_model.pbtxt"):
		r.broken("export_dir", path, "is a SavedModel itself, not a folder of numbered versions as serving_layout makes: choose another")
	default:
		return
	}
	last := &r.faults[len(r.faults)-1]
	last.Code, last.Err = exit.Output, ErrExists
}

// NextVersion is the number of the version that an export with serving_layout adds to
// export_dir: one more than the highest. It is 0 for other jobs.
func NextVersion(s *Spec) int64 {
	if s.kind != Export || !s.ServingLayout {
		return 0
	}
	entries, err := os.ReadDir(s.ExportDir)
	if err != nil {
		return 1
	}
	highest := int64(0)
	for _, e := range entries {
		if n, err := strconv.ParseInt(filepath.Base(e.Name()), 10, 64); err == nil && n > highest {
			highest = n
		}
	}
	return highest + 1
}
