package work

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"tfos/internal/store"
)

// Names beside an output, after its own: the staging folders of runs, and what members set
// aside there. Package job gives them.
var stagingMarks = []string{".tfos-", ".tfos.quarantine-"}

// heldPredictions is the claim of an inference run on an output that it renames when it is
// complete. Stores that copy: see place, whose journal holds an output.
type heldPredictions struct {
	Output
	lock store.Lock // nil: it is not held
}

// acquire implements claim. It deletes what dead runs have staged.
func (h *heldPredictions) acquire(ctx context.Context, cfg Config) error {
	st, err := store.For(h.Final)
	if err != nil {
		return outputError(h.Output, err)
	}
	if !store.Renames(st) {
		return nil
	}
	if h.lock, err = lockOutput(ctx, cfg, st, h.Output, beside(h.Final)); err != nil {
		return err
	}
	if err := h.sweep(ctx, st); err != nil {
		return fmt.Errorf("%s: delete what earlier runs have left beside %s: %w", h.Kind, h.Final, err)
	}
	return nil
}

// ClearAbandoned is ClearStaging after the death of the process that had the run's work. It
// also deletes the files of locks that it held on local file systems. On stores they are held
// for some time yet, and the next run deletes them.
func ClearAbandoned(ctx context.Context, cfg Config) (kept []string, err error) {
	kept, err = ClearStaging(ctx, cfg)
	for _, o := range cfg.Outputs {
		at := beside(o.Final) + holdLock
		if cfg.Infer == nil || store.Remote(o.Final) {
			continue
		}
		if _, statErr := (store.Local{}).Stat(ctx, at); statErr != nil {
			continue
		}
		switch lock, lockErr := (store.Local{}).Lock(ctx, at); {
		case lockErr == nil:
			err = errors.Join(err, lock.Remove(ctx))
		case !errors.Is(lockErr, store.ErrLocked): // else another run has it
			err = errors.Join(err, lockErr)
		}
	}
	return kept, err
}

// sweep deletes the staging folders of other runs, which are dead.
func (h *heldPredictions) sweep(ctx context.Context, st store.Store) error {
	own := map[string]bool{path.Base(h.Staging): true, path.Base(h.Aside): true} // a resumed one's are elsewhere
	for _, mark := range stagingMarks {
		found, err := st.Match(ctx, store.Literal(beside(h.Final)+mark)+"*")
		if err != nil {
			return err
		}
		for _, f := range found {
			name := path.Base(strings.TrimSuffix(f.Path, "/"))
			run := strings.TrimPrefix(name, path.Base(beside(h.Final))+mark)
			if own[name] || strings.Contains(run, ".tfos") { // of another output, whose name is longer
				continue
			}
			if err := st.Remove(ctx, f.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// release implements claim.
func (h *heldPredictions) release(ctx context.Context) error {
	if h.lock == nil {
		return nil
	}
	return h.lock.Remove(ctx)
}
