package work

import (
	"context"
	"errors"
	"fmt"

	"tfos/internal/mirror"
	"tfos/internal/store"
)

// modelLock is the file in model_dir that a run locks: two runs would delete each
// other's checkpoints.
const modelLock = ".tfos-lock"

// heldModelDir is the claim of a training on its model_dir.
type heldModelDir struct {
	dir  string
	lock store.Lock // nil: it is not held
}

// acquire implements claim. It deletes what dead runs have left of checkpoints on a store.
func (m *heldModelDir) acquire(ctx context.Context, cfg Config) error {
	st, err := store.For(m.dir)
	if err == nil {
		m.lock, err = store.AwaitLock(ctx, st, store.Join(m.dir, modelLock), cfg.patience(m.dir))
	}
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("model_dir: %s: another run trains there: wait until it has ended, or choose another", m.dir)
	}
	if err == nil && store.Remote(m.dir) {
		err = mirror.Sweep(ctx, st, m.dir)
	}
	if err != nil {
		return fmt.Errorf("model_dir: %w", err)
	}
	return nil
}

// release implements claim.
func (m *heldModelDir) release(ctx context.Context) error {
	if m.lock == nil {
		return nil
	}
	return m.lock.Remove(ctx)
}
