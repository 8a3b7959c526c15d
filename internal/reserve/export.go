package reserve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tfos/internal/store"
)

// Kinds of what a program writes to export_dir.
const (
	KindSavedModel = "saved_model"
	KindExport     = "export" // any files
)

// exported says that a program has written the output to export_dir: the target,
// and files beside it whose names begin with its name (target.keras).
func (o OutputConfig) exported() bool { return o.Kind == KindSavedModel || o.Kind == KindExport }

// exports are the target and what lies beside it, each with its final name. Only
// the target may be replaced as a folder, and of the others only files: another's
// folder may have such a name.
func exports(ctx context.Context, s store.Store, o OutputConfig) ([]OutputConfig, error) {
	found, err := s.Match(ctx, store.Literal(o.Staging)+"*")
	var out []OutputConfig
	for _, f := range found {
		piece := o
		piece.Staging, piece.Final = f.Path, o.Final+strings.TrimPrefix(f.Path, o.Staging)
		piece.Kind = KindExport
		if _, err := s.Stat(ctx, f.Path+"/saved_model.pb"); err == nil {
			piece.Kind = KindSavedModel
		}
		if was, err := s.Stat(ctx, piece.Final); err == nil && piece.Final != o.Final && (was.Dir || f.Dir) {
			piece.Replace = false
		}
		out = append(out, piece)
	}
	return out, err
}

// checkExport says whether there is something to publish, of the kind that the
// job wants, and all names are free.
func checkExport(ctx context.Context, s store.Store, o OutputConfig) error {
	if o.Kind == KindSavedModel {
		if _, err := s.Stat(ctx, o.Staging+"/saved_model.pb"); err != nil {
			return outputError(o, err)
		}
	}
	pieces, err := exports(ctx, s, o)
	if err != nil {
		return outputError(o, err)
	}
	files := 0
	for _, p := range pieces {
		written, err := s.List(ctx, store.Literal(p.Staging))
		if err != nil {
			return outputError(o, err)
		}
		files += len(written)
		if _, err := s.Stat(ctx, p.Final); err == nil && !p.Replace {
			return outputError(p, fs.ErrExist)
		}
	}
	if files == 0 {
		return outputError(o, fs.ErrNotExist)
	}
	return nil
}

// publishExport gives every piece its name. It returns those that have it, even
// after an error.
func publishExport(ctx context.Context, s store.Store, o OutputConfig) ([]Artifact, error) {
	pieces, err := exports(ctx, s, o)
	var done []Artifact
	for _, p := range pieces {
		if err := s.Publish(ctx, p.Staging, p.Final, p.Replace); err != nil {
			return done, outputError(p, err)
		}
		done = append(done, Artifact{p.Kind, p.Final})
	}
	return done, outputError(o, err)
}

// removeExport deletes what is staged of an export.
func removeExport(ctx context.Context, s store.Store, o OutputConfig) error {
	pieces, err := exports(ctx, s, o)
	errs := []error{err}
	for _, p := range pieces {
		errs = append(errs, s.Remove(ctx, p.Staging))
	}
	return errors.Join(errs...)
}

// keepExports leaves the exports of a run whose training has ended well where
// they are, and says in the cause where that is.
func keepExports(ctx context.Context, cfg Config, cause error) (kept Config, err error) {
	kept, err = cfg, cause
	kept.Outputs = nil
	for _, o := range cfg.Outputs {
		if where := lying(ctx, o); len(where) > 0 {
			err = fmt.Errorf("%w; what the program has written is kept: move %s to where you want it", err, strings.Join(where, ", "))
			continue
		}
		kept.Outputs = append(kept.Outputs, o)
	}
	return kept, err
}

// lying is where files of an export lie that has not been published.
func lying(ctx context.Context, o OutputConfig) []string {
	var where []string
	if !o.exported() {
		return nil
	}
	s, err := store.For(o.Staging)
	if err != nil {
		return nil
	}
	pieces, _ := exports(ctx, s, o)
	for _, p := range pieces {
		if files, err := s.List(ctx, store.Literal(p.Staging)); err != nil || len(files) > 0 {
			where = append(where, p.Staging)
		}
	}
	return where
}
