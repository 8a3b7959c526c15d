package train

import "context"

// checkpoint saves, and evaluates if this trainer does. stop: the metric has not
// improved for too long.
func (r *run) checkpoint(ctx context.Context) (stop bool, err error) {
	if err := r.save(ctx); err != nil {
		return false, err
	}
	if err := r.flush(); err != nil {
		return false, err
	}
	if r.StopWanted != nil {
		return r.StopWanted()
	}
	return r.evaluate(ctx)
}

// save writes a checkpoint, unless the newest one has all steps.
func (r *run) save(ctx context.Context) error {
	if r.step == r.saved {
		return nil
	}
	if r.Checkpoints != nil {
		prefix, err := r.Checkpoints.Save(r.step, func(prefix string) error { return r.Graph.Save(ctx, prefix) })
		if err != nil {
			return err
		}
		r.result.Checkpoint = prefix
	}
	r.saved = r.step
	return nil
}

// evaluate runs the eval signature over the validation rows.
func (r *run) evaluate(ctx context.Context) (stop bool, err error) {
	if r.Validation == nil {
		return false, nil
	}
	pass, err := r.Validation()
	if err != nil {
		return false, err
	}
	values, err := Evaluate(ctx, r.Graph, pass, r.Request.BatchSize)
	if err != nil {
		return false, err
	}
	r.result.EvalLeftOut = pass.LeftOut()
	return r.judge(values)
}

// judge records an evaluation. stop: the metric has not improved for too long.
func (r *run) judge(values []float64) (stop bool, err error) {
	names := r.Graph.EvalMetrics()
	r.result.Evaluated = named(names, values)
	if r.EvalSummaries != nil {
		err = writeEvaluation(r.EvalSummaries, r.step, r.Now(), names, values)
	}
	if r.stopping != nil && err == nil {
		stop, err = r.stopping.observe(r.result.Evaluated)
	}
	return stop, err
}

func (r *run) flush() error {
	if r.Summaries == nil {
		return nil
	}
	return r.Summaries.Flush()
}
