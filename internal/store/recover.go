package store

import (
	"context"
	"errors"
	"io/fs"
)

// recoverer is a Store whose Publish is several steps.
type recoverer interface {
	Recover(ctx context.Context, final string) error
	// interrupted reports whether Recover has something to do, or another process is
	// publishing.
	interrupted(ctx context.Context, final string) (bool, error)
}

// Recover finishes or undoes a Publish onto final that was interrupted because its process
// died: then final is a whole output, old or new. Call it before you look at final, or at
// what an earlier run has staged. A store that publishes in one step has nothing to do.
func Recover(ctx context.Context, s Store, final string) error {
	if r, ok := s.(recoverer); ok {
		return r.Recover(ctx, final)
	}
	return nil
}

// Interrupted reports whether a Publish onto final has begun and has not ended. It changes
// nothing.
func Interrupted(ctx context.Context, s Store, final string) (bool, error) {
	if r, ok := s.(recoverer); ok {
		return r.interrupted(ctx, final)
	}
	return false, nil
}

// exists reports whether a path exists.
func exists(ctx context.Context, s Store, path string) (bool, error) {
	_, err := s.Stat(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
