package train

import (
	"context"
	"fmt"
	"path/filepath"
)

// finish ends the training: under parameter servers the chief waits for the others'
// last updates. It writes the last checkpoint, evaluates it and exports.
func (r *run) finish(ctx context.Context) error {
	if !r.window.empty() {
		if err := r.tell(r.Now()); err != nil {
			return err
		}
	}
	if r.Request.Strategy == ParameterServer {
		if err := r.awaitOthers(ctx); err != nil {
			return err
		}
	}
	if err := r.checkSteps(); err != nil || !r.Chief() {
		return err
	}
	if r.step != r.saved || r.result.Evaluated == nil {
		if _, err := r.checkpoint(ctx); err != nil {
			return err
		}
	}
	if r.Export != nil {
		if err := r.Enter(Exporting); err != nil {
			return err
		}
		if err := r.export(ctx); err != nil {
			return err
		}
	}
	if r.Request.Strategy == ParameterServer {
		return r.Graph.Finish(ctx) // the other trainers may end
	}
	return nil
}

// checkSteps returns an error if there was no step, because the rows fill no batch. Under
// parameter servers the chief answers for all trainers.
func (r *run) checkSteps() error {
	others := r.Request.Strategy == ParameterServer && !r.Chief()
	if r.result.LeftOut == 0 || r.taken > 0 || others || r.step > r.begun() {
		return nil
	}
	return tooFewRows("input", r.result.LeftOut, r.Request.BatchSize)
}

// awaitOthers records that this trainer has finished. The chief waits for all trainers
// and then reads how many updates there are. The others wait until the chief has
// finished a second time: an author's devices may have put variables on their servers,
// which the chief saves.
func (r *run) awaitOthers(ctx context.Context) error {
	if err := r.Graph.Finish(ctx); err != nil {
		return err
	}
	wanted := r.Trainers
	if !r.Chief() {
		wanted++
	}
	err := r.await(ctx, func() (bool, error) {
		n, err := r.Graph.Finished(ctx)
		return n >= wanted, err
	})
	if err != nil {
		return fmt.Errorf("train: wait for the other trainers: %w", err)
	}
	if !r.Chief() {
		return nil
	}
	step, err := r.Graph.GlobalStep(ctx)
	if step >= 0 {
		r.step = step
	}
	return err
}

// export makes the SavedModel of the last checkpoint, or of one that it writes for
// that.
func (r *run) export(ctx context.Context) error {
	if r.result.Checkpoint != "" {
		return r.Export(ctx, r.result.Checkpoint)
	}
	if r.result.Resumed != nil && r.Checkpoints != nil {
		return r.Export(ctx, r.result.Resumed.Prefix)
	}
	return withTemporary(func(prefix string) error {
		if err := r.Graph.Save(ctx, prefix); err != nil {
			return wrapNoRoom(filepath.Dir(prefix), err)
		}
		return r.Export(ctx, prefix)
	})
}
