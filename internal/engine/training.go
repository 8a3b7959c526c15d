package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"tfos/internal/model"
)

// Training is a graph program in a TensorFlow session. One goroutine uses it at a time.
// It implements train.Graph.
type Training struct {
	path        string
	session     *session
	program     *model.TrainingProgram
	values      *model.InitialValues // nil: variables begin with the graph's own
	train, eval *run
	groupSize   *tensor // nil: the step takes none
	globalStep  []endpoint
	initialized []endpoint
	finished    []endpoint
	stopping    []endpoint
	gathers     bool // parameter servers could not write a checkpoint
	warn        func(text string)
}

// TrainingOptions say where a graph trains.
type TrainingOptions struct {
	// Cluster is the run's. Without addresses, under strategy independent, and on an
	// evaluator, the member trains alone in this process, without a server. Leader is
	// set by OpenTraining.
	Cluster Cluster
	// Rollback asks for Snapshot and Rollback. Each variable is then in memory twice.
	Rollback bool
	// InitFrom is a checkpoint, a folder of them, or a SavedModel, whose values Begin
	// gives to the variables that they fit (model.Training.ValuesOf). "": none.
	InitFrom string
	// Warn tells the user something in one line; nil: nobody is told.
	Warn func(text string)
}

// find finds a tensor by its name in the graph.
func (g *Training) find(name string) (endpoint, error) {
	at, err := g.session.output(name)
	if errors.Is(err, errNoTensor) {
		err = &model.ModelError{Path: g.path, Problem: "the graph has no tensor " + name}
	}
	return at, err
}

// Metrics are the names of Step's values: the loss first, the others sorted.
func (g *Training) Metrics() []string { return g.train.names() }

// EvalMetrics are the names of Evaluate's values. They are nil without an evaluation.
func (g *Training) EvalMetrics() []string {
	if g.eval == nil {
		return nil
	}
	return g.eval.names()
}

// Step makes one update with rows. globalStep is the number of updates of all trainers,
// this one included.
//
// Errors:
//   - model.RowErrors: rows do not fit, or have several shapes. No update was made.
//   - *model.GraphError: the graph failed, perhaps because of a value.
//   - *model.MismatchError: the columns do not fit the signature.
//
// A run in progress cannot be interrupted: ctx is checked only before it.
func (g *Training) Step(ctx context.Context, rows arrow.Record) (values []float64, globalStep int64, err error) {
	return g.compute(ctx, g.train, rows)
}

// Evaluate computes the metrics of rows, and updates nothing. Errors are those of Step.
func (g *Training) Evaluate(ctx context.Context, rows arrow.Record) ([]float64, error) {
	if g.eval == nil {
		return nil, errors.New("engine: the graph has no evaluation")
	}
	values, _, err := g.compute(ctx, g.eval, rows)
	return values, err
}

// Divided returns the variables whose rows are divided over parameter servers, and says
// of other large ones why they stay whole.
func (g *Training) Divided() (divided, whole []string) { return g.program.Divided, g.program.Whole }

func (g *Training) compute(ctx context.Context, r *run, rows arrow.Record) ([]float64, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, -1, err
	}
	feeds, err := r.feedsOf(rows)
	if err != nil {
		return nil, -1, err
	}
	found, err := g.session.run(feeds, r.fetches, r.targets)
	freeFeeds(feeds[len(r.constants):])
	if err != nil {
		return nil, -1, runError("run signature "+r.signature.Name, err)
	}
	defer freeAll(found)
	return r.results(found)
}

// Begin gives all variables their first values: the graph's own, and those of
// TrainingOptions.InitFrom. note says which variables have the latter; "": none.
func (g *Training) Begin(ctx context.Context) (note string, err error) {
	steps, err := g.program.BeginSteps()
	if err == nil {
		err = g.executeAll(ctx, steps)
	}
	if err != nil {
		return "", err
	}
	if g.values != nil {
		note = g.values.String()
	}
	return note, nil
}

// Restore gives all variables the values of a checkpoint. If the checkpoint does not fit,
// the error is a *model.ModelError that names the variables.
func (g *Training) Restore(ctx context.Context, prefix string) error {
	steps, err := g.program.RestoreSteps(prefix)
	if err != nil {
		return err
	}
	return g.executeAll(ctx, steps)
}

// executeAll runs what gives variables their values.
func (g *Training) executeAll(ctx context.Context, steps []model.Step) error {
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := g.execute(step); err != nil {
			return fmt.Errorf("engine: values of variables: %w", err)
		}
	}
	return nil
}

// Save writes a checkpoint of all variables. The index file comes last. The folder of
// prefix is there. Its path is such that another machine has it only if both share it.
func (g *Training) Save(ctx context.Context, prefix string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	step := g.program.SaveStep(prefix)
	if g.gathers {
		step = *step.Fallback
	}
	fellBack, err := g.execute(step)
	if err != nil {
		return fmt.Errorf("engine: save %s: %w", prefix, saveError(err))
	}
	if fellBack {
		g.gathers = true
		g.warn(gathersWarning)
	}
	return nil
}

// gathersWarning says what a checkpoint costs where Save fell back.
const gathersWarning = "checkpoints: a parameter server does not share the folder of checkpoints: this member fetches all variables and writes them by itself"

// execute runs a step, or its fallback.
func (g *Training) execute(step model.Step) (fellBack bool, err error) {
	err = execute(g.session, step)
	if step.Fallback == nil || !isUnreachable(err) {
		return false, err
	}
	return true, execute(g.session, *step.Fallback)
}

// GlobalStep reads the count of updates.
func (g *Training) GlobalStep(ctx context.Context) (int64, error) {
	return g.readCount(ctx, "read the count of updates", nil, g.globalStep)
}

// Initialized tells whether all variables have values.
func (g *Training) Initialized(ctx context.Context) (bool, error) {
	return g.ask(ctx, "ask for values of variables", g.initialized)
}

// Finish records on parameter server 0 that this trainer takes no more steps. Without
// parameter servers it does nothing.
func (g *Training) Finish(ctx context.Context) error {
	return g.runOperation(ctx, "finish", g.program.Finish)
}

// Finished returns how many times trainers have called Finish. Without parameter servers
// it returns 0.
func (g *Training) Finished(ctx context.Context) (int, error) {
	if g.finished == nil {
		return 0, nil
	}
	n, err := g.readCount(ctx, "count trainers that finished", nil, g.finished)
	return int(n), err
}

// Agree tells the other trainers whether this one wants to stop, and returns whether
// any wants to. Under all_reduce it waits until every trainer has called it.
func (g *Training) Agree(ctx context.Context, stop bool) (bool, error) {
	if g.stopping == nil {
		return stop, nil
	}
	var feeds []feed
	if g.program.StopWish != "" {
		at, err := g.find(g.program.StopWish)
		if err != nil {
			return false, err
		}
		wish, err := newTensor(model.Int32, nil)
		if err != nil {
			return false, err
		}
		defer wish.free()
		clear(wish.bytes())
		if stop {
			wish.bytes()[0] = 1
		}
		feeds = []feed{{at, wish}}
	} else if stop {
		if err := g.runOperation(ctx, "ask the others to stop", g.program.Stop); err != nil {
			return false, err
		}
	}
	n, err := g.readCount(ctx, "ask whether to stop", feeds, g.stopping)
	return n > 0, err
}

// errNoRollback is the error of Snapshot and Rollback without TrainingOptions.Rollback.
var errNoRollback = errors.New("engine: the graph was opened without rollback")

// Snapshot keeps the variables' values in memory.
func (g *Training) Snapshot(ctx context.Context) error {
	if g.program.Snapshot == "" {
		return errNoRollback
	}
	return g.runOperation(ctx, "keep the variables", g.program.Snapshot)
}

// Rollback gives the variables the values of the last Snapshot.
func (g *Training) Rollback(ctx context.Context) error {
	if g.program.Rollback == "" {
		return errNoRollback
	}
	return g.runOperation(ctx, "restore the kept variables", g.program.Rollback)
}

func (g *Training) runOperation(ctx context.Context, doing, name string) error {
	if err := ctx.Err(); name == "" || err != nil {
		return err
	}
	if err := execute(g.session, model.Step{Targets: []string{name}}); err != nil {
		return fmt.Errorf("engine: %s: %w", doing, err)
	}
	return nil
}

// read fetches one tensor, and returns a copy of its elements.
func (g *Training) read(ctx context.Context, doing string, feeds []feed, at []endpoint) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := g.session.run(feeds, at, nil)
	if err != nil {
		return nil, fmt.Errorf("engine: %s: %w", doing, err)
	}
	defer freeAll(found)
	return append([]byte(nil), found[0].bytes()...), nil
}

// ask fetches a bool.
func (g *Training) ask(ctx context.Context, doing string, at []endpoint) (bool, error) {
	raw, err := g.read(ctx, doing, nil, at)
	return err == nil && raw[0] != 0, err
}

func (g *Training) readCount(ctx context.Context, doing string, feeds []feed, at []endpoint) (int64, error) {
	raw, err := g.read(ctx, doing, feeds, at)
	if err != nil {
		return -1, err
	}
	return int64(binary.LittleEndian.Uint64(raw)), nil
}

// Close waits for a run in progress, and frees the session. A server goes on.
func (g *Training) Close() error {
	if g.groupSize != nil {
		g.groupSize.free()
		g.groupSize = nil
	}
	if err := g.session.close(); err != nil {
		return fmt.Errorf("engine: close %s: %w", g.path, err)
	}
	return nil
}

// scalar returns the only element of a floating-point tensor.
func scalar(t *tensor, name string) (float64, error) {
	raw := t.bytes()
	if n := elementCount(t.shape()); n != 1 {
		return 0, &model.MismatchError{Problems: []string{fmt.Sprintf("output %s has %d values, not one: return its mean", name, n)}}
	}
	switch d := t.dtype(); d {
	case model.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(raw)), nil
	case model.Float16:
		return float64(model.HalfFloat(binary.LittleEndian.Uint16(raw))), nil
	case model.BFloat16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw)) << 16)), nil
	case model.Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), nil
	default:
		return 0, &model.MismatchError{Problems: []string{fmt.Sprintf("output %s is %s, not a floating-point number", name, d)}}
	}
}
