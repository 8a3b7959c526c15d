package job

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
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
func (r *rules) versions(ctx context.Context) {
	path := r.s.ExportDir
	there, err := lookAt(ctx, path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.broken("export_dir", path, "cannot be looked at: %v", reason(err))
			r.outputFault()
		}
		return
	}
	switch {
	case !there.folder:
		r.broken("export_dir", path, "is no folder: serving_layout makes a folder of numbered versions there")
	case marked(ctx, path, model.SavedModelFile, model.SavedModelText):
		r.broken("export_dir", path, "is a SavedModel itself, not a folder of numbered versions as serving_layout makes: choose another")
	default:
		return
	}
	r.outputFault()
}

// outputFault makes the last fault one of an output.
func (r *rules) outputFault() {
	last := &r.faults[len(r.faults)-1]
	last.Code, last.Err = exit.Output, ErrExists
}

// NextVersion is the number of the version that an export with serving_layout adds to
// export_dir: one more than the highest. It is 0 for other jobs, and 1 if export_dir cannot
// be listed, as Check says.
func NextVersion(ctx context.Context, s *Spec) int64 {
	if s.kind != Export || !s.ServingLayout {
		return 0
	}
	st, err := store.For(s.ExportDir)
	if err != nil {
		return 1
	}
	entries, _ := st.Match(ctx, store.Join(store.Literal(s.ExportDir), "*"))
	highest := int64(0)
	for _, e := range entries {
		if n, err := strconv.ParseInt(path.Base(e.Path), 10, 64); err == nil && n > highest {
			highest = n
		}
	}
	return highest + 1
}
