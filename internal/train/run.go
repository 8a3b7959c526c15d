package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Phases of a trainer, as its member reports them.
const (
	Initializing = "initializing"
	Running      = "running"
	Exporting    = "exporting"
)

// pollTime is the time between two looks at what another trainer does: whether it has
// given the variables values, and whether it has finished.
const pollTime = 50 * time.Millisecond

// flushTime is the longest time that scalars are in memory only.
const flushTime = 5 * time.Second

// Trainer is what one trainer works with.
type Trainer struct {
	Request *Request
	// Number is the trainer's number, from 0, of Trainers. Number 0 is the chief. Of
	// independent trainers each is the chief of its own model.
	Number, Trainers int
	Graph            Graph
	Rows             Batches
	// Validation returns a new pass over the validation rows. Nil: this trainer does
	// not evaluate.
	Validation func() (Batches, error)
	// Initial gives the variables their first values, when no checkpoint does. note
	// says what they are, for the user; "": the graph's own.
	Initial func(context.Context) (note string, err error)
	// Checkpoints is nil without model_dir, and for a trainer that is no chief.
	Checkpoints Saver
	// StopWanted tells whether the evaluator wants the training to stop; nil: there is
	// no evaluator.
	StopWanted func() (bool, error)
	// Summaries, EvalSummaries receive scalars for TensorBoard; nil: nobody does.
	Summaries, EvalSummaries Summaries
	// Export makes the SavedModel of a checkpoint; nil: there is none to make.
	Export func(ctx context.Context, prefix string) error
	Enter  func(phase string) error
	Report func(Progress)
	Now    func() time.Time
}

// Saver keeps checkpoints.
type Saver interface {
	// Save writes a checkpoint by write, which gets a prefix for its files, and returns
	// the prefix under which it is complete.
	Save(step int64, write func(prefix string) error) (prefix string, err error)
}

// Summaries receives scalars of a step.
type Summaries interface {
	Scalars(step int64, at time.Time, names []string, values []float64) error
	Flush() error
}

// Chief tells whether the trainer initialises, checkpoints and exports.
func (t *Trainer) Chief() bool { return t.Number == 0 || t.Request.Strategy == Independent }

// Run trains to the end: the first of the job's steps, the end of the rows, and early
// stopping. When ctx ends, Run writes a checkpoint and returns ctx's error.
func (t *Trainer) Run(ctx context.Context) (Result, error) {
	if t.Request.Strategy == AllReduce && !t.Chief() {
		// The chief may be in a step, which needs this trainer, before it can save. When
		// it has ended, the next step fails.
		ctx = context.WithoutCancel(ctx)
	}
	r := &run{Trainer: t, began: t.Now()}
	if err := t.Enter(Initializing); err != nil {
		return Result{}, err
	}
	if err := r.initialize(ctx); err != nil {
		return r.result, err
	}
	if err := t.Enter(Running); err != nil {
		return r.result, err
	}
	err := r.train(ctx)
	if err == nil {
		err = r.finish(ctx)
	}
	if ctx.Err() != nil && t.Chief() && r.taken > 0 {
		// ctx has ended, but what was trained shall not be lost.
		err = errors.Join(ctx.Err(), r.save(context.WithoutCancel(ctx)))
	}
	return r.summarize(), errors.Join(err, r.flush())
}

// run is the state of one Trainer.Run.
type run struct {
	*Trainer
	result   Result
	began    time.Time
	step     int64 // updates of all trainers so far, those before a resume included
	taken    int64 // steps of this trainer in this run
	quota    int64 // steps that this trainer may take; -1: no limit
	saved    int64 // the step of the newest checkpoint; -1: none
	window   window
	flushed  time.Time
	stopping *stopping // nil: no early stopping, or the evaluator decides
	skipped  int64
}

// initialize gives the variables their values: those of a checkpoint, else the initial
// ones. Under parameter servers only the chief does so.
func (r *run) initialize(ctx context.Context) error {
	r.saved = -1
	if stop := r.Request.EarlyStopping; stop != nil && r.Validation != nil {
		r.stopping = &stopping{EarlyStopping: *stop}
	}
	switch resume := r.Request.Resume; {
	case r.Request.Strategy == ParameterServer && !r.Chief():
		if err := r.await(ctx, func() (bool, error) { return r.Graph.Initialized(ctx) }); err != nil {
			return fmt.Errorf("train: wait for the chief's values of variables: %w", err)
		}
	case resume != nil:
		if err := r.Graph.Restore(ctx, resume.Prefix); err != nil {
			return err
		}
		r.result.Resumed, r.saved = resume, resume.Step
	default:
		note, err := r.Initial(ctx)
		if err != nil {
			return err
		}
		r.result.InitFrom = note
	}
	r.step = r.begun()
	r.quota = r.share()
	return nil
}

// begun is the step that the run goes on from.
func (r *run) begun() int64 {
	if r.Request.Resume == nil {
		return 0
	}
	return r.Request.Resume.Step
}

// share is the number of steps that this trainer may take: under parameter servers its
// part of those that are left of the job's. -1: no limit.
func (r *run) share() int64 {
	if r.Request.Steps == 0 {
		return -1
	}
	left := max(0, r.Request.Steps-r.step)
	if r.Request.Strategy == AllReduce {
		return left
	}
	n := int64(r.Trainers)
	share := left / n
	if int64(r.Number) < left%n {
		share++
	}
	return share
}

// await calls ready until it returns true or an error, or ctx ends.
func (r *run) await(ctx context.Context, ready func() (bool, error)) error {
	for {
		if done, err := ready(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollTime):
		}
	}
}

// train takes steps until there is a reason to stop.
func (r *run) train(ctx context.Context) error {
	for {
		if r.quota >= 0 && r.taken >= r.quota {
			r.result.Stopped = "steps"
			return r.Rows.Stop()
		}
		batch, err := r.next(ctx)
		if errors.Is(err, io.EOF) {
			r.result.Stopped, r.result.LeftOut = "rows", r.Rows.LeftOut()
			return nil
		}
		if err != nil {
			return err
		}
		err = r.takeStep(ctx, batch)
		batch.Rows.Release()
		if err != nil {
			return err
		}
		stop, err := r.afterStep(ctx)
		if err != nil {
			return err
		}
		if stop {
			r.result.Stopped = "early stopping"
			return r.Rows.Stop()
		}
	}
}

// next returns the next rows, and counts how long the trainer waits for them.
func (r *run) next(ctx context.Context) (Batch, error) {
	began := r.Now()
	batch, err := r.Rows.Next(ctx)
	r.window.waited += r.Now().Sub(began)
	return batch, err
}

// takeStep runs one step, and undoes it when its loss is not finite and the job says
// so.
func (r *run) takeStep(ctx context.Context, batch Batch) error {
	skip := r.Request.OnNonFinite == SkipNonFinite
	if skip {
		if err := r.Graph.Snapshot(ctx); err != nil {
			return err
		}
	}
	values, global, err := r.Graph.Step(ctx, batch.Rows)
	if err != nil {
		return atBatch(err, r.step+1, batch)
	}
	r.taken++
	if !finite(values[0]) {
		if !skip {
			return nonFinite(r.Request.Strategy, r.step+1, values[0], batch)
		}
		r.skipped++
		return r.Graph.Rollback(ctx)
	}
	r.step++
	if global >= 0 {
		r.step = global
	}
	r.window.add(values, batch.Rows.NumRows())
	return nil
}

// afterStep writes scalars and checkpoints when they are due, and evaluates. stop says
// that the training ends.
func (r *run) afterStep(ctx context.Context) (stop bool, err error) {
	now := r.Now()
	told := r.window.due(now)
	if told {
		if err := r.tell(now); err != nil {
			return false, err
		}
	}
	every := r.Request.EverySteps
	due := every > 0 && r.step/every > max(r.saved, 0)/every
	if due && r.Chief() {
		stop, err = r.checkpoint(ctx)
	} else if due {
		r.saved = r.step
	}
	if err != nil || r.Request.EarlyStopping == nil {
		return false, err
	}
	// All-reduce: all trainers ask after the same steps. Parameter servers: a question
	// costs a trip to one of them.
	if due || told && r.Request.Strategy == ParameterServer {
		return r.Graph.Agree(ctx, stop)
	}
	return false, nil
}

// tell reports the scalars since the last time.
func (r *run) tell(now time.Time) error {
	mean := r.window.mean()
	p := Progress{Step: r.step, Steps: r.Request.Steps, Loss: mean[0], StepsPerSecond: r.window.rate(now, r.step)}
	if r.Chief() {
		r.Report(p)
	}
	r.result.Metrics = named(r.Graph.Metrics(), mean)
	defer r.window.reset(now, r.step)
	if r.Summaries == nil {
		return nil
	}
	names := append(append([]string(nil), r.Graph.Metrics()...), "steps_per_second", "rows_per_second", "feed_wait_percent")
	rows, wait := r.window.feeding(now)
	if err := r.Summaries.Scalars(r.step, now, names, append(mean, p.StepsPerSecond, rows, wait)); err != nil || now.Sub(r.flushed) < flushTime {
		return err
	}
	r.flushed = now
	return r.Summaries.Flush()
}

// summarize completes the result.
func (r *run) summarize() Result {
	r.result.Step, r.result.Steps, r.result.Skipped = r.step, r.taken, r.skipped
	r.result.Role = RoleTrainer
	if r.Number == 0 {
		r.result.Role = RoleChief
	}
	r.result.Seconds = r.Now().Sub(r.began).Seconds()
	return r.result
}
