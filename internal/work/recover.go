package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"tfos/internal/reserve"
	"tfos/internal/store"
)

// recover finishes what a dead run was publishing onto the output, and then looks whether
// this run may publish there: an output that goes on may. there: the output is complete, and the job says that it is
// left as it is (Output.Skip).
func (o Output) recover(ctx context.Context, s store.Store) (there bool, err error) {
	if err := store.Recover(ctx, s, o.Final); err != nil {
		return false, o.recoverError(err)
	}
	if o.Replace || o.Resume != "" {
		return false, nil
	}
	_, err = s.Stat(ctx, o.Final)
	if err == nil && o.Skip {
		_, err = s.Stat(ctx, o.Final+"/_SUCCESS")
		if errors.Is(err, fs.ErrNotExist) {
			return false, &OutputError{o, "exists already and is not complete, for it has no _SUCCESS: remove it"}
		}
		there = err == nil
	} else if err == nil {
		return false, &OutputError{o, isThere}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return there, nil
	}
	return false, &OutputError{o, fmt.Sprintf("cannot be looked at: %v", err)}
}

// recoverError says why what a dead run was publishing cannot be finished.
func (o Output) recoverError(err error) error {
	if errors.Is(err, store.ErrLocked) {
		return &OutputError{o, fmt.Sprintf("is being written or published by another run: wait until it has ended, or choose another path: %v", err)}
	}
	return &OutputError{o, fmt.Sprintf("has a publication that was interrupted, and cannot be finished: %v", err)}
}

// left is the base of an output that is there, and is left as it is.
type left struct{ anew }

func (left) start() reserve.Start { return reserve.Start{End: reserve.Settle{Phase: PhaseSkipped}} }
func (left) complete() bool       { return true }
func (left) unchanged() bool      { return true }
