package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tfos/internal/store"

	"tfos/internal/reserve"
)

// commit gives every output its final name. All are checked before the first is
// published: complete does so, and adds what is missing, for outputs that are no
// exports. It returns those that were published, even after an error.
func commit(ctx context.Context, outputs []Output, complete func(context.Context, store.Store, Output) error) ([]reserve.Artifact, error) {
	artifacts := []reserve.Artifact{}
	for _, o := range outputs {
		if err := prepare(ctx, o, complete); err != nil {
			return nil, err
		}
	}
	for _, o := range outputs {
		published, err := publish(ctx, o)
		artifacts = append(artifacts, published...)
		if err != nil {
			return artifacts, partly(err, artifacts)
		}
	}
	return artifacts, nil
}

// publish gives one output its name. It returns what has its name, even after an
// error: an export may be several pieces.
func publish(ctx context.Context, o Output) ([]reserve.Artifact, error) {
	s, err := store.For(o.Final)
	if err != nil {
		return nil, err
	}
	if o.exported() {
		return publishExport(ctx, s, o)
	}
	if err := s.Publish(ctx, o.Staging, o.Final, o.Replace); err != nil {
		return nil, outputError(o, err)
	}
	return []reserve.Artifact{{Kind: o.Kind, Path: o.Final}}, nil
}

// partly adds to an error the outputs that have their names all the same.
func partly(err error, done []reserve.Artifact) error {
	if len(done) == 0 {
		return err
	}
	var paths []string
	for _, a := range done {
		paths = append(paths, a.Path)
	}
	return fmt.Errorf("%w; published before that: %s", err, strings.Join(paths, ", "))
}

// prepare completes one output in its staging folder.
func prepare(ctx context.Context, o Output, complete func(context.Context, store.Store, Output) error) error {
	s, err := store.For(o.Staging)
	if err != nil {
		return err
	}
	if o.exported() {
		return checkExport(ctx, s, o)
	}
	if _, err := s.Stat(ctx, o.Final); err == nil && !o.Replace {
		return outputError(o, fs.ErrExist)
	}
	if _, err := s.Stat(ctx, o.Staging); err != nil {
		return outputError(o, err)
	}
	if err := complete(ctx, s, o); err != nil {
		return err
	}
	return store.MarkSuccess(ctx, s, o.Staging)
}

// linkInto links a file to a name in a folder that it makes.
func linkInto(ctx context.Context, s store.Store, from, to string) error {
	if err := s.Mkdir(ctx, store.Dir(to)); err != nil {
		return err
	}
	return s.Link(ctx, from, to)
}

// isThere is what is wrong with an output that is there and is not to be replaced.
const isThere = "exists already and is unchanged: remove it, choose another path, or ask for it to be replaced"

// outputError is what the user is told about an output; nil for a nil err.
func outputError(o Output, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return &OutputError{o, isThere}
	case errors.Is(err, fs.ErrNotExist) && o.Kind == KindExport:
		return fmt.Errorf("export: %s: the program has written nothing there: save the model to the export_dir that the program is given, or remove export_dir from the job", o.Final)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %s: the run has not written it completely: %w", o.Kind, o.Final, err)
	default:
		return fmt.Errorf("%s: %s could not be committed: %w", o.Kind, o.Final, err)
	}
}
