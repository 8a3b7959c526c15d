package job

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/modelcache"
	"tfos/internal/store"
)

// modelPath is a key of a job that names a model to be read.
type modelPath struct {
	key  string
	path *string // in the Spec
}

// models are the models that the job reads. That of app.graph is in a copy of its own.
func (s *Spec) models() (all []modelPath) {
	if g := s.App.Graph; g != nil {
		c := *g
		s.App.Graph = &c
		all = append(all, modelPath{"app.graph.path", &c.Path}, modelPath{"app.graph.init_from", &c.InitFrom})
	}
	switch s.kind {
	case Infer:
		all = append(all, modelPath{"export_dir", &s.ExportDir}, modelPath{"model_dir", &s.ModelDir})
	case Export:
		all = append(all, modelPath{"model_dir", &s.ModelDir})
	}
	return slices.DeleteFunc(all, func(m modelPath) bool { return !store.Remote(*m.path) || !store.Knows(*m.path) })
}

// FetchModels copies what Check and Contract look at of models on stores: graphs, and no
// values of variables. It does nothing where only executors see the models. The error is a
// Faults.
func FetchModels(ctx context.Context, s *Spec, cache modelcache.Cache) error {
	if !s.readsHere() {
		return nil
	}
	r := &rules{s: s}
	for _, m := range s.models() {
		copied, err := cache.Fetch(ctx, *m.path, modelcache.Graph)
		var failed *modelcache.Error
		switch {
		case err == nil:
			s.fetched = append(s.fetched, copied)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, fs.ErrNotExist):
			r.broken(m.key, *m.path, "does not exist")
		case errors.As(err, &failed):
			r.broken(m.key, *m.path, "cannot be read: %v", failed.Err)
			r.faults[len(r.faults)-1].Code = exit.CodeOf(err, exit.Failed)
		}
	}
	return Faults(r.faults).err()
}

// here is the job with the copies of FetchModels in the place of the models.
func (s *Spec) here() *Spec {
	c := *s
	for _, m := range c.models() {
		for _, copied := range s.fetched {
			if copied.URL == strings.TrimRight(*m.path, "/") {
				*m.path = copied.Path
				break
			}
		}
	}
	return &c
}

// inURLs returns faults about copies as those about the models that the job names.
func (s *Spec) inURLs(faults []Fault) []Fault {
	for i := range faults {
		for _, c := range s.fetched {
			faults[i].Value, faults[i].Rule = c.InURL(faults[i].Value), c.InURL(faults[i].Rule)
		}
	}
	return faults
}
