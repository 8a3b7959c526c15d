package store

import "context"

// recoverer is a Store whose Publish is several steps.
type recoverer interface {
	Recover(ctx context.Context, final string) error
}

// Recover finishes a Publish onto final that was interrupted because its process died.
// Call it, with the output locked, before you look at final or at what an earlier run has
// staged. A store that publishes in one step has nothing to do.
func Recover(ctx context.Context, s Store, final string) error {
	if r, ok := s.(recoverer); ok {
		return r.Recover(ctx, final)
	}
	return nil
}
