package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"tfos/internal/model"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// Kinds of what a program writes to export_dir.
const (
	KindSavedModel = "saved_model"
	KindExport     = "export" // any files
)

// ExportMark is an empty file in a published folder of any files: a later run may
// replace such a folder, and no other. Not _SUCCESS, which Spark's data has too.
const ExportMark = "_exported_by_tfos"

// exported says that a program has written the output to export_dir: the target,
// and files beside it whose names begin with its name (target.keras).
func (o Output) exported() bool { return o.Kind == KindSavedModel || o.Kind == KindExport }

// exports are the target and what lies beside it, each with its final name. Only
// the target may be replaced as a folder, and of the others only files: another's
// folder may have such a name.
func exports(ctx context.Context, s store.Store, o Output) ([]Output, error) {
	found, err := s.Match(ctx, store.Literal(o.Staging)+"*")
	var out []Output
	for _, f := range found {
		piece := o
		piece.Staging, piece.Final = f.Path, o.Final+strings.TrimPrefix(f.Path, o.Staging)
		piece.Kind = KindExport
		if _, err := s.Stat(ctx, f.Path+"/"+model.SavedModelFile); err == nil {
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
func checkExport(ctx context.Context, s store.Store, o Output) error {
	if o.Kind == KindSavedModel {
		if _, err := s.Stat(ctx, o.Staging+"/"+model.SavedModelFile); err != nil {
			return noSavedModel(ctx, s, o, err)
		}
	}
	pieces, err := exports(ctx, s, o)
	if err != nil {
		return outputError(o, err)
	}
	some := false
	for _, p := range pieces {
		holds, err := holdsFile(ctx, s, p.Staging)
		if err != nil {
			return outputError(o, err)
		}
		some = some || holds
		if _, err := s.Stat(ctx, p.Final); err == nil && !p.Replace {
			return outputError(p, fs.ErrExist)
		}
	}
	if !some {
		return outputError(o, fs.ErrNotExist)
	}
	return nil
}

// noSavedModel is the error of a program that has written no SavedModel where one
// is demanded: err, and what it has written in its place.
func noSavedModel(ctx context.Context, s store.Store, o Output, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return outputError(o, err)
	}
	pieces, err := exports(ctx, s, o)
	if err != nil {
		return outputError(o, err)
	}
	var files []string
	for _, p := range pieces {
		written, _ := s.List(ctx, store.Literal(p.Staging))
		for _, f := range written {
			files = append(files, path.Base(o.Final)+strings.TrimPrefix(f.Path, o.Staging))
		}
	}
	const few = 3 // that are named
	if len(files) > few {
		files = append(files[:few:few], "…")
	}
	what := "nothing"
	if len(files) > 0 {
		what = strings.Join(files, ", ") + " and no " + model.SavedModelFile
	}
	return fmt.Errorf("%s: %s: the program has written %s there: it must save a SavedModel in the export_dir that it is given, as Keras' model.export and tf.saved_model.save do", o.Kind, o.Final, what)
}

// publishExport gives every piece its name. It returns those that have it, even
// after an error.
func publishExport(ctx context.Context, s store.Store, o Output) ([]reserve.Artifact, error) {
	pieces, err := exports(ctx, s, o)
	var done []reserve.Artifact
	for _, p := range pieces {
		if err := markExport(ctx, s, p); err != nil {
			return done, outputError(p, err)
		}
		if err := s.Publish(ctx, p.Staging, p.Final, p.Replace); err != nil {
			return done, outputError(p, err)
		}
		done = append(done, reserve.Artifact{Kind: p.Kind, Path: p.Final})
	}
	return done, outputError(o, err)
}

// markExport marks a folder that is no SavedModel as an output, so that a later
// run may replace it.
func markExport(ctx context.Context, s store.Store, o Output) error {
	if o.Kind == KindSavedModel {
		return nil
	}
	info, err := s.Stat(ctx, o.Staging)
	if err != nil || !info.Dir {
		return err
	}
	return store.WriteFile(ctx, s, o.Staging+"/"+ExportMark, nil)
}
