package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"tfos/internal/infer"
	"tfos/internal/modelcache"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// inference is what both kinds of inference jobs have in common.
type inference struct {
	cfg     Config
	compute *infer.Computation // of the request of all members
}

func newInference(cfg Config, compute *infer.Computation) inference {
	compute.Run = cfg.Run
	if o := cfg.resumes(); o != nil {
		compute.Records = store.Dir(o.Staging) + "/" + recordsName
	}
	return inference{cfg, compute}
}

// settle has every member take the same model, though checkpoints or versions are
// added meanwhile.
func (w *inference) settle(ctx context.Context) (err error) {
	if w.compute.Source, err = modelcache.Default().Source(ctx, w.compute.Source, modelcache.Graph); err != nil {
		return err
	}
	switch settled, _, err := w.compute.Resolve(); {
	case err == nil:
		w.compute.Source = settled
	case w.compute.Checkpoint != "" || w.compute.Here != "":
		return err
	} // else a SavedModel that perhaps only the members see
	return nil
}

// recover finishes what dead runs were publishing onto the outputs, and then looks whether
// this run may publish there. done: an output is there, and the job says that it is left as
// it is. An output that goes on does both while it holds the lock.
func (w *inference) recover(ctx context.Context) (done bool, err error) {
	for _, o := range w.cfg.Outputs {
		if o.Resume != "" {
			continue
		}
		s, err := store.For(o.Final)
		if err != nil {
			return false, err
		}
		err = store.Recover(ctx, s, o.Final)
		if errors.Is(err, store.ErrLocked) {
			return false, &OutputError{o, fmt.Sprintf("is being published by another run: wait until it has ended, or choose another output: %v", err)}
		}
		if err != nil {
			return false, &OutputError{o, fmt.Sprintf("has a publication that was interrupted, and cannot be finished: %v", err)}
		}
		switch _, err := s.Stat(ctx, o.Final); {
		case errors.Is(err, fs.ErrNotExist) || err == nil && o.Replace:
		case err == nil && o.Skip:
			if _, err := s.Stat(ctx, o.Final+"/_SUCCESS"); err != nil {
				return false, &OutputError{o, "exists already and is not complete, for it has no _SUCCESS: remove it"}
			}
			done = true
		case err == nil:
			return false, &OutputError{o, "exists already and is unchanged: remove it, choose another path, or ask for it to be replaced"}
		default:
			return false, &OutputError{o, fmt.Sprintf("cannot be looked at: %v", err)}
		}
	}
	return done, nil
}

// there is the base of an output that is there, and is left as it is.
type there struct{ anew }

func (there) start() reserve.Start { return reserve.Start{End: reserve.Settle{Phase: PhaseSkipped}} }
func (there) complete() bool       { return true }
func (there) unchanged() bool      { return true }

// required are the members that compute.
func (w *inference) required() []reserve.Place {
	var places []reserve.Place
	for _, m := range w.cfg.Members {
		if m.Required {
			places = append(places, reserve.Place{Job: m.Job, Index: m.Index})
		}
	}
	return places
}

// inputFailure is what a run ends with whose input cannot be shared out. An
// interrupted run ends as such.
func inputFailure(ctx context.Context, err error) reserve.Start {
	if ctx.Err() != nil {
		return reserve.Start{}
	}
	phase := "input"
	if errors.As(err, new(*OutputError)) {
		phase = "output"
	}
	return reserve.Start{End: reserve.Fail{Code: infer.InputExitCode(err), Phase: phase, Cause: err.Error()}}
}

// conclude publishes the output of a run that has succeeded, whose results accept
// accepts, or deletes what is staged and of no use to anybody, and completes the
// verdict. result is their sum; nil: they cannot be read.
func (w *inference) conclude(ctx context.Context, v reserve.Verdict, from base, result *total, accept func() error) (reserve.Verdict, error) {
	if w.cfg.publishes(v) {
		err := accept()
		if err == nil {
			err = w.judge(result, from)
		}
		if err == nil {
			v.Artifacts, err = w.publish(ctx, result, from)
		}
		if err != nil {
			refuse(&v, err)
		}
	}
	var left error
	if w.cfg.publishes(v) {
		if left = from.close(ctx, true); left != nil {
			left = fmt.Errorf("what earlier runs have left was not deleted: %w", left)
		}
	} else {
		if result != nil {
			result.Kept = from.kept(ctx)
		}
		v.Kept, left = w.clear(ctx, from)
	}
	if result == nil {
		return v, left
	}
	text, err := json.Marshal(result)
	if err != nil {
		return v, errors.Join(left, fmt.Errorf("work: write the sum of the results: %w", err))
	}
	v.Infer = text
	return v, left
}

// judge refuses rows that are not accounted for, and too many bad ones.
func (w *inference) judge(result *total, from base) error {
	return judgeRows(result, from.parts(result), w.compute.MaxBad)
}

// clear is ClearStaging, for parts that a later run goes on from too.
func (w *inference) clear(ctx context.Context, from base) (kept []string, err error) {
	kept, err = ClearStaging(ctx, w.cfg)
	return kept, errors.Join(err, from.close(ctx, false))
}

// pace is the pace of an inference member, none of one that says nothing
// that can be read: sumResults says so.
func pace(result []byte) []reserve.Pace {
	var r infer.Result
	if err := json.Unmarshal(result, &r); err != nil {
		return nil
	}
	return []reserve.Pace{{Rows: r.Rows, Seconds: r.Seconds, Waited: r.WaitSeconds, Steps: r.Steps}}
}
