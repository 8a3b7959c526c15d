package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/infer"
	"tfos/internal/modelcache"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// inference is what both kinds of inference jobs have in common.
type inference struct {
	cfg     Config
	compute *infer.Computation // of the request of all members
	place   place              // nil: it is not chosen yet
	bySpark bool               // Spark writes the output
}

func newInference(cfg Config, compute *infer.Computation) inference {
	compute.Run = cfg.Run
	if o := cfg.resumes(); o != nil {
		compute.Records = store.Dir(o.Staging) + "/" + recordsName
	}
	return inference{cfg: cfg, compute: compute}
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
	var left error
	if w.place != nil {
		left = w.place.end(ctx, from.useful(ctx))
	}
	kept, err = ClearStaging(ctx, w.cfg)
	return kept, errors.Join(left, err, from.close(ctx, false))
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
