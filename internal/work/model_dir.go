package work

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// modelLock is the file in model_dir that a run locks: two runs would delete each
// other's checkpoints.
const modelLock = ".tfos-lock"

// storeLease is how long the lock of a killed process stays on a store.
const storeLease = 65 * time.Second

// patience is how long a run waits for a lock at path: as long as a killed run may hold it.
func (c Config) patience(path string) time.Duration {
	if store.Remote(path) {
		return c.Lease() + storeLease
	}
	return c.Lease()
}

// alone is the work of a training that has its model_dir for itself, from the beginning
// to the end of the run.
type alone struct {
	reserve.Work
	dir      string
	patience time.Duration // how long a killed run may take to let go of it
	store    store.Store
	held     io.Closer // nil: nothing is locked
}

// inModelDir returns work that locks model_dir. Without one it is w.
func inModelDir(cfg Config, w reserve.Work) reserve.Work {
	if cfg.ModelDir == "" {
		return w
	}
	return &alone{Work: w, dir: cfg.ModelDir, patience: cfg.patience(cfg.ModelDir)}
}

// ShareOut implements reserve.Work.
func (w *alone) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	var err error
	if w.store, err = store.For(w.dir); err == nil {
		w.held, err = lockFolder(ctx, w.store, w.dir, modelLock, w.patience)
	}
	switch {
	case errors.Is(err, store.ErrLocked):
		err = fmt.Errorf("model_dir: %s: another run trains there: wait until it has ended, or choose another", w.dir)
	case err != nil:
		err = fmt.Errorf("model_dir: %w", err)
	default:
		return w.Work.ShareOut(ctx)
	}
	return reserve.Shares{}, reserve.Start{End: reserve.Fail{Code: exit.Output, Phase: "output", Cause: err.Error()}}
}

// Finish implements reserve.Work.
func (w *alone) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	v, err := w.Work.Finish(ctx, v, made)
	return v, errors.Join(err, w.unlock(ctx))
}

// Clear implements reserve.Work.
func (w *alone) Clear(ctx context.Context) error {
	return errors.Join(w.Work.Clear(ctx), w.unlock(ctx))
}

// unlock lets other runs have model_dir. The end of the process does so too.
func (w *alone) unlock(ctx context.Context) error {
	if w.held == nil {
		return nil
	}
	err := store.Unlock(ctx, w.store, store.Join(w.dir, modelLock), w.held)
	w.held = nil
	return err
}
