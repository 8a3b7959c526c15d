package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// claim is something on a store that one run at a time has, from its beginning to its end.
type claim interface {
	// acquire waits for it, as long as a killed run may hold it. The error says which key
	// of the job names it.
	acquire(ctx context.Context, cfg Config) error
	// release lets other runs have it.
	release(ctx context.Context) error
}

// exclusive is the work of a run with claims.
type exclusive struct {
	reserve.Work
	cfg    Config
	claims []claim
	held   []claim
}

// claiming returns work that has the run's claims. Without any it is w.
func claiming(cfg Config, w reserve.Work) reserve.Work {
	var all []claim
	for _, o := range cfg.Outputs {
		switch {
		case o.Hold != "":
			all = append(all, &heldOutput{Output: o})
		case cfg.Infer != nil:
			all = append(all, &heldPredictions{Output: o})
		}
	}
	if cfg.ModelDir != "" {
		all = append(all, &heldModelDir{dir: cfg.ModelDir})
	}
	if len(all) == 0 {
		return w
	}
	return &exclusive{Work: w, cfg: cfg, claims: all}
}

// ShareOut implements reserve.Work. An interrupted wait is no failure.
func (w *exclusive) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	for _, c := range w.claims {
		w.held = append(w.held, c)
		if err := c.acquire(ctx, w.cfg); err != nil {
			if ctx.Err() != nil {
				return reserve.Shares{}, reserve.Start{}
			}
			return reserve.Shares{}, reserve.Start{End: reserve.Fail{Code: exit.Output, Phase: "output", Cause: err.Error()}}
		}
	}
	return w.Work.ShareOut(ctx)
}

// Finish implements reserve.Work.
func (w *exclusive) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	v, err := w.Work.Finish(ctx, v, made)
	return v, errors.Join(err, w.release(ctx))
}

// Clear implements reserve.Work.
func (w *exclusive) Clear(ctx context.Context) error {
	return errors.Join(w.Work.Clear(ctx), w.release(ctx))
}

// release releases all claims. The end of the process does so too.
func (w *exclusive) release(ctx context.Context) error {
	var errs []error
	for _, c := range w.held {
		errs = append(errs, c.release(ctx))
	}
	w.held = nil
	return errors.Join(errs...)
}

// storeLease is how long the lock of a killed process stays on a store.
const storeLease = 65 * time.Second

// patience is how long a run waits for a lock at path: as long as a killed run may hold it.
func (c Config) patience(path string) time.Duration {
	if store.Remote(path) {
		return c.Lease() + storeLease
	}
	return c.Lease()
}

// lockOutput locks the file that stands for an output. name is what hidden names beside the
// output begin with.
func lockOutput(ctx context.Context, cfg Config, st store.Store, o Output, name string) (store.Lock, error) {
	lock, err := store.AwaitLock(ctx, st, name+holdLock, cfg.patience(o.Final))
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, &OutputError{o, "is being written by another run: wait until it has ended, or choose another path"}
	case err != nil:
		return nil, fmt.Errorf("%s: %s cannot be written: %w", o.Kind, o.Final, err)
	}
	return lock, nil
}
