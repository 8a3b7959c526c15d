package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"tfos/internal/model"
	"tfos/internal/store"
)

// Outputs on stores that members upload (Output.Hold). A run holds such an output alone
// from its beginning to its end. No other run publishes onto it meanwhile, and all that is
// staged beside it was left by dead runs:
//
//	.NAME.tfos.lock          held by the run
//	.NAME.tfos.staging/RUN/  of each run: NAME, and what programs save beside it
const (
	holdLock    = ".tfos.lock"
	holdStaging = ".tfos.staging"
)

// HoldFolder is Output.Hold of an output.
func HoldFolder(final string) string { return beside(final) + holdStaging }

// HoldStaging is Output.Staging of an output with this Hold.
func HoldStaging(hold, run, final string) string {
	return hold + "/" + run + "/" + path.Base(final)
}

// beside is the beginning of hidden names beside an output.
func beside(final string) string {
	dir, base := path.Split(strings.TrimSuffix(final, "/"))
	return dir + "." + base
}

// heldOutput is the claim of a run on an output.
type heldOutput struct {
	Output
	store store.Store
	lock  store.Lock // nil: it is not held
}

// acquire implements claim. It finishes what an interrupted run was publishing, and deletes
// what dead runs have left.
func (h *heldOutput) acquire(ctx context.Context, cfg Config) (err error) {
	o := h.Output
	if h.store, err = store.For(o.Hold); err != nil {
		return outputError(o, err)
	}
	if h.lock, err = lockOutput(ctx, cfg, h.store, o, strings.TrimSuffix(o.Hold, holdStaging)); err != nil {
		return err
	}
	if _, err := o.recover(ctx, h.store); err != nil {
		return err
	}
	if err := h.sweep(ctx); err != nil {
		return fmt.Errorf("%s: delete what earlier runs have left at %s: %w", o.Kind, o.Hold, err)
	}
	return nil
}

// sweep deletes what other runs have staged, which are dead. Whole exports stay: the
// verdicts of their runs have named them. What this run's name has left is an error.
func (h *heldOutput) sweep(ctx context.Context) error {
	runs, err := h.store.Match(ctx, store.Literal(h.Hold)+"/{*,.*,_*}")
	if err != nil {
		return err
	}
	for _, run := range runs {
		kept, err := clearStaged(ctx, h.store, run.Path, h.exported())
		if err != nil {
			return err
		}
		if len(kept) > 0 && run.Path == store.Dir(h.Staging) {
			return fmt.Errorf("a run of this name has left %s: start the job with another --run-id", kept[0])
		}
	}
	return nil
}

// clearStaged deletes what is in the folder of a run, and returns the pieces of exports
// that are whole, which stay.
func clearStaged(ctx context.Context, st store.Store, folder string, exported bool) (kept []string, err error) {
	pieces, err := st.Match(ctx, store.Literal(folder)+"/{*,.*,_*}")
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if exported {
			whole, err := wholePiece(ctx, st, p)
			if err != nil {
				return kept, err
			}
			if whole {
				kept = append(kept, p.Path)
				continue
			}
		}
		if err := st.Remove(ctx, p.Path); err != nil {
			return kept, err
		}
	}
	if len(kept) == 0 {
		return nil, st.Remove(ctx, folder)
	}
	return kept, nil
}

// wholePiece reports whether all of a piece is at the store: the files that say so go up
// last.
func wholePiece(ctx context.Context, st store.Store, p store.Info) (bool, error) {
	if !p.Dir {
		return path.Base(p.Path)[0] != '.', nil
	}
	for _, mark := range []string{model.SavedModelFile, model.SavedModelText, ExportMark} {
		_, err := st.Stat(ctx, p.Path+"/"+mark)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// release implements claim. It deletes the folders that are empty.
func (h *heldOutput) release(ctx context.Context) error {
	if h.lock == nil {
		return nil
	}
	var errs []error
	for _, folder := range []string{store.Dir(h.Staging), h.Hold} {
		full, err := holdsFile(ctx, h.store, folder)
		if err == nil && !full || errors.Is(err, fs.ErrNotExist) {
			err = h.store.Remove(ctx, folder)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, h.lock.Remove(ctx))...)
}
