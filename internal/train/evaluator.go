package train

import (
	"context"
	"errors"
	"time"
)

// Evaluating is the evaluator's phase.
const Evaluating = "evaluating"

// Evaluator is what the evaluator works with.
type Evaluator struct {
	Request    *Request
	Graph      Graph // of its own, on no server
	Validation func() (Batches, error)
	// Newest finds the newest complete checkpoint.
	Newest    func() (at Start, found bool, err error)
	Summaries Summaries // nil: nobody wants scalars
	// Stop tells the chief that the training shall stop.
	Stop func(step int64) error
	// Ended is closed when the trainers have finished.
	Ended <-chan struct{}
	Enter func(phase string) error
	Now   func() time.Time
}

// newestTime is the time between two looks for a new checkpoint.
const newestTime = time.Second

// Run evaluates each new checkpoint that it finds, until the training has ended and
// the newest one is evaluated.
func (e *Evaluator) Run(ctx context.Context) (Result, error) {
	result := Result{Role: RoleEvaluator, Step: -1}
	var rule *stopping
	if e.Request.EarlyStopping != nil {
		rule = &stopping{EarlyStopping: *e.Request.EarlyStopping}
	}
	if err := e.Enter(Evaluating); err != nil {
		return result, err
	}
	began := e.Now()
	for last := false; ; {
		if err := e.evaluateNewest(ctx, rule, &result); err != nil {
			return result, err
		}
		result.Seconds = e.Now().Sub(began).Seconds()
		if last {
			return result, nil
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-e.Ended:
			last = true
		case <-time.After(newestTime):
		}
	}
}

// evaluateNewest evaluates the newest checkpoint, unless that is done.
func (e *Evaluator) evaluateNewest(ctx context.Context, rule *stopping, result *Result) error {
	at, found, err := e.Newest()
	for err == nil && found && at.Step != result.Step {
		failed := e.Graph.Restore(ctx, at.Prefix)
		if failed == nil {
			return e.evaluate(ctx, at, rule, result)
		}
		// The chief deletes old checkpoints, perhaps while they are read.
		tried := at.Step
		if at, found, err = e.Newest(); err == nil && (!found || at.Step == tried) {
			return failed
		}
	}
	return err
}

// evaluate evaluates the checkpoint that was restored.
func (e *Evaluator) evaluate(ctx context.Context, at Start, rule *stopping, result *Result) error {
	pass, err := e.Validation()
	if err != nil {
		return err
	}
	values, err := Evaluate(ctx, e.Graph, pass, e.Request.BatchSize)
	if err != nil {
		return err
	}
	result.EvalLeftOut = pass.LeftOut()
	names := e.Graph.EvalMetrics()
	result.Step, result.Checkpoint, result.Evaluated = at.Step, at.Prefix, named(names, values)
	if e.Summaries != nil {
		if err := writeEvaluation(e.Summaries, at.Step, e.Now(), names, values); err != nil {
			return err
		}
	}
	if rule == nil {
		return nil
	}
	stop, err := rule.observe(result.Evaluated)
	if stop {
		err = errors.Join(err, e.Stop(at.Step))
	}
	return err
}

// writeEvaluation writes the scalars of an evaluation.
func writeEvaluation(to Summaries, step int64, at time.Time, names []string, values []float64) error {
	return errors.Join(to.Scalars(step, at, names, values), to.Flush())
}
