package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// fakeGraph has one variable: the sum of all numbers that it has trained. Its loss is
// the sum of the batch.
type fakeGraph struct {
	calls    []string // but for steps
	counts   bool     // has a global step
	value    float64
	kept     float64
	others   int64 // steps of other trainers
	steps    int64
	finished int
	agreed   []bool
	evalLoss []float64 // of the evaluations to come
	fails    error
}

func (g *fakeGraph) log(format string, args ...any) {
	g.calls = append(g.calls, fmt.Sprintf(format, args...))
}

func (g *fakeGraph) Metrics() []string     { return []string{"loss", "n"} }
func (g *fakeGraph) EvalMetrics() []string { return []string{"loss"} }

func (g *fakeGraph) Step(_ context.Context, rows arrow.Record) ([]float64, int64, error) {
	if g.fails != nil {
		return nil, 0, g.fails
	}
	var sum float64
	for _, v := range rows.Column(0).(*array.Float64).Float64Values() {
		sum += v
	}
	g.value += sum
	g.steps++
	if !g.counts {
		return []float64{sum, float64(rows.NumRows())}, -1, nil
	}
	return []float64{sum, float64(rows.NumRows())}, g.steps + g.others, nil
}

func (g *fakeGraph) Evaluate(_ context.Context, rows arrow.Record) ([]float64, error) {
	if len(g.evalLoss) > 0 {
		v := g.evalLoss[0]
		g.evalLoss = g.evalLoss[1:]
		return []float64{v}, nil
	}
	return []float64{float64(rows.NumRows())}, nil
}

func (g *fakeGraph) Restore(_ context.Context, prefix string) error {
	g.log("restore %s", prefix)
	if prefix == "deleted" {
		return errors.New("no such checkpoint")
	}
	return nil
}
func (g *fakeGraph) Save(_ context.Context, prefix string) error {
	g.log("save %v", g.value)
	return nil
}
func (g *fakeGraph) GlobalStep(context.Context) (int64, error) { return g.steps + g.others, nil }
func (g *fakeGraph) Initialized(context.Context) (bool, error) {
	g.log("initialized")
	return true, nil
}
func (g *fakeGraph) Finish(context.Context) error { g.finished++; g.log("finish"); return nil }
func (g *fakeGraph) Finished(context.Context) (int, error) {
	g.finished++
	g.others++
	return g.finished, nil
}
func (g *fakeGraph) Snapshot(context.Context) error { g.kept = g.value; return nil }
func (g *fakeGraph) Rollback(context.Context) error { g.value = g.kept; g.log("rollback"); return nil }
func (g *fakeGraph) Close() error                   { return nil }
func (g *fakeGraph) Agree(_ context.Context, stop bool) (bool, error) {
	g.agreed = append(g.agreed, stop)
	return stop, nil
}

// fakeRows gives batches, each a list of numbers.
type fakeRows struct {
	batches [][]float64
	leftOut int64
	stopped bool
}

func (f *fakeRows) Next(ctx context.Context) (Batch, error) {
	if len(f.batches) == 0 || f.stopped {
		return Batch{}, io.EOF
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float64}}, nil))
	defer b.Release()
	b.Field(0).(*array.Float64Builder).AppendValues(f.batches[0], nil)
	f.batches = f.batches[1:]
	return Batch{Rows: b.NewRecord(), Places: []Place{{Partition: 3, First: 40, Rows: 2}}}, ctx.Err()
}

func (f *fakeRows) LeftOut() int64 { return f.leftOut }
func (f *fakeRows) Stop() error    { f.stopped = true; return nil }

// fakeSaver remembers the steps of its checkpoints.
type fakeSaver []int64

func (s *fakeSaver) Save(step int64, write func(string) error) (string, error) {
	*s = append(*s, step)
	return fmt.Sprintf("ckpt-%d", step), write("temporary")
}

type fakeSummaries []string

func (s *fakeSummaries) Scalars(step int64, _ time.Time, names []string, values []float64) error {
	if len(names) != len(values) {
		panic(fmt.Sprint(names, values))
	}
	*s = append(*s, fmt.Sprintf("%d %s=%v", step, names[0], values[0]))
	return nil
}
func (s *fakeSummaries) Flush() error { return nil }

// scene is a chief alone, whose clock advances by a second with every look at it.
type scene struct {
	Trainer
	graph    *fakeGraph
	rows     *fakeRows
	saved    fakeSaver
	scalars  fakeSummaries
	evals    fakeSummaries
	exported []string
	phases   []string
	progress []Progress
}

func newScene(request Request, batches ...[]float64) *scene {
	s := &scene{graph: &fakeGraph{}, rows: &fakeRows{batches: batches}}
	now := time.Unix(1000, 0)
	s.Trainer = Trainer{
		Request: &request, Trainers: 1, Graph: s.graph, Rows: s.rows, Checkpoints: &s.saved,
		Summaries: &s.scalars, EvalSummaries: &s.evals,
		Initial: func(context.Context) (string, error) { s.graph.log("initial"); return "", nil },
		Export:  func(_ context.Context, prefix string) error { s.exported = append(s.exported, prefix); return nil },
		Enter:   func(phase string) error { s.phases = append(s.phases, phase); return nil },
		Report:  func(p Progress) { s.progress = append(s.progress, p) },
		Now:     func() time.Time { now = now.Add(time.Second); return now },
	}
	return s
}

func (s *scene) validate(losses ...float64) {
	s.graph.evalLoss = losses
	s.Validation = func() (Batches, error) { return &fakeRows{batches: [][]float64{{1, 2}}}, nil }
}

func numbers(n int) (batches [][]float64) {
	for i := range n {
		batches = append(batches, []float64{float64(i), 1})
	}
	return batches
}

func TestTrainsToTheEndOfTheRows(t *testing.T) {
	s := newScene(Request{Strategy: Independent, EverySteps: 2, Export: "e"}, numbers(5)...)
	result, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.saved, fakeSaver{2, 4, 5}) || !slices.Equal(s.exported, []string{"ckpt-5"}) || !slices.Equal(s.phases, []string{Initializing, Running, Exporting}) {
		t.Errorf("saved %v, exported %v, phases %v", s.saved, s.exported, s.phases)
	}
	if result.Step != 5 || result.Steps != 5 || result.Stopped != "rows" || result.Checkpoint != "ckpt-5" || result.Role != RoleChief || result.Metrics["loss"] != 5 {
		t.Errorf("%+v", result)
	}
	if want := (fakeSummaries{"1 loss=1", "2 loss=2", "3 loss=3", "4 loss=4", "5 loss=5"}); !slices.Equal(s.scalars, want) {
		t.Errorf("scalars %v, want %v", s.scalars, want)
	}
	if last := s.progress[len(s.progress)-1]; last.Step != 5 || last.StepsPerSecond == 0 {
		t.Errorf("progress %+v", last)
	}
}

// TestLeftOut: the last rows of a graph that takes whole batches are counted. Rows that
// fill no batch at all are an error, once for all trainers of parameter servers.
func TestLeftOut(t *testing.T) {
	s := newScene(Request{Strategy: Independent, EverySteps: 9}, numbers(2)...)
	s.rows.leftOut = 3
	s.Validation = func() (Batches, error) { return &fakeRows{batches: numbers(1), leftOut: 1}, nil }
	if result, err := s.Run(t.Context()); err != nil || result.LeftOut != 3 || result.EvalLeftOut != 1 || result.Step != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	for name, c := range map[string]struct {
		request Request
		number  int
		change  func(*scene)
		says    string
	}{
		"alone":                        {Request{Strategy: Independent}, 0, nil, "the input has 3 rows, and the graph takes 4 at a time: "},
		"resumed":                      {Request{Strategy: Independent, Resume: &Start{"old/ckpt-4", 4}}, 0, nil, "the input has 3 rows"},
		"all-reduce":                   {Request{Strategy: AllReduce}, 1, nil, "the input has 3 rows"},
		"one of two workers":           {Request{Strategy: ParameterServer}, 1, nil, ""},
		"chief, and the other trained": {Request{Strategy: ParameterServer}, 0, nil, ""},
		"validation": {Request{Strategy: Independent}, 0, func(s *scene) {
			s.rows.batches = numbers(1)
			s.Validation = func() (Batches, error) { return &fakeRows{leftOut: 2}, nil }
		}, "the validation input has 2 rows, and the graph takes 4 at a time: "},
	} {
		c.request.BatchSize = 4
		s := newScene(c.request)
		s.rows.leftOut = 3
		if s.Number = c.number; c.request.Strategy != Independent {
			s.Trainers = 2
		}
		if c.change != nil {
			c.change(s)
		}
		_, err := s.Run(t.Context())
		if c.says == "" && err != nil || c.says != "" && (exit.CodeOf(err, exit.Internal) != exit.BadData || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestStopsAfterTheJobsSteps: those of earlier runs count.
func TestStopsAfterTheJobsSteps(t *testing.T) {
	s := newScene(Request{Strategy: Independent, Steps: 7, Resume: &Start{"old/ckpt-4", 4}}, numbers(9)...)
	result, err := s.Run(t.Context())
	if err != nil || result.Step != 7 || result.Steps != 3 || result.Stopped != "steps" || !s.rows.stopped {
		t.Errorf("%+v, %v", result, err)
	}
	if want := []string{"restore old/ckpt-4", "save 6"}; !slices.Equal(s.graph.calls, want) {
		t.Errorf("calls %v, want %v", s.graph.calls, want)
	}
}

// TestNothingLeft: a run that resumes after its last step exports what there is.
func TestNothingLeft(t *testing.T) {
	s := newScene(Request{Strategy: Independent, Steps: 4, Resume: &Start{"old/ckpt-4", 4}, Export: "e"}, numbers(9)...)
	result, err := s.Run(t.Context())
	if err != nil || result.Steps != 0 || len(s.saved) > 0 || !slices.Equal(s.exported, []string{"old/ckpt-4"}) {
		t.Errorf("%+v, %v, saved %v, exported %v", result, err, s.saved, s.exported)
	}
}

// TestParameterServers: steps are shared out, the chief waits for the others and saves
// their updates, and only it initialises. The others wait until it has saved.
func TestParameterServers(t *testing.T) {
	for number, want := range map[int][]string{
		0: {"initial", "finish", "save 6", "finish"},
		1: {"initialized", "finish"},
	} {
		s := newScene(Request{Strategy: ParameterServer, Steps: 5}, numbers(9)...)
		s.Number, s.Trainers = number, 2
		s.graph.counts = true
		result, err := s.Run(t.Context())
		if err != nil || !slices.Equal(s.graph.calls, want) {
			t.Errorf("trainer %d: %v, %v, want %v", number, s.graph.calls, err, want)
		}
		if taken := int64(3 - number); result.Steps != taken {
			t.Errorf("trainer %d: %d steps, want %d", number, result.Steps, taken)
		}
		if s.graph.finished != 3 {
			t.Errorf("trainer %d: ends when there were %d calls of Finish", number, s.graph.finished)
		}
		if number == 0 && (result.Step != 4 || !slices.Equal(s.saved, fakeSaver{4})) {
			t.Errorf("chief: step %d, saved %v", result.Step, s.saved)
		}
	}
}

func TestNonFiniteLoss(t *testing.T) {
	for name, test := range map[string]struct {
		batch []float64
		code  exit.Code
		says  string
	}{
		"data":  {[]float64{1, math.NaN()}, exit.BadData, "step 2: the loss is NaN: row 1 of the batch (rows 40 to 41 of partition 3) has NaN in column x"},
		"model": {[]float64{math.MaxFloat64, math.MaxFloat64}, exit.Failed, "step 2: the loss is +Inf, though the batch (rows 40 to 41 of partition 3) has finite numbers only"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(Request{Strategy: Independent, OnNonFinite: FailNonFinite}, []float64{1, 1}, test.batch)
			_, err := s.Run(t.Context())
			if exit.CodeOf(err, exit.Internal) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v (code %d)", err, exit.CodeOf(err, exit.Internal))
			}
			s = newScene(Request{Strategy: Independent, OnNonFinite: SkipNonFinite}, []float64{1, 1}, test.batch, []float64{2, 2})
			result, err := s.Run(t.Context())
			if err != nil || result.Step != 2 || result.Skipped != 1 || s.graph.value != 6 || !slices.Contains(s.graph.calls, "rollback") {
				t.Errorf("%+v, %v, value %v", result, err, s.graph.value)
			}
		})
	}
}

func TestEarlyStopping(t *testing.T) {
	request := Request{Strategy: Independent, EverySteps: 1, EarlyStopping: &EarlyStopping{Metric: "loss", Mode: "min", Patience: 2, MinDelta: 0.1}}
	s := newScene(request, numbers(9)...)
	s.validate(3, 2, 1.95, 1.95)
	result, err := s.Run(t.Context())
	if err != nil || result.Step != 4 || result.Stopped != "early stopping" || result.Evaluated["loss"] != 1.95 || !s.rows.stopped {
		t.Errorf("%+v, %v", result, err)
	}
	if want := (fakeSummaries{"1 loss=3", "2 loss=2", "3 loss=1.95", "4 loss=1.95"}); !slices.Equal(s.evals, want) {
		t.Errorf("evaluations %v", s.evals)
	}
	request.EarlyStopping = &EarlyStopping{Metric: "accuracy", Mode: "max", Patience: 1}
	s = newScene(request, numbers(9)...)
	s.validate()
	if _, err := s.Run(t.Context()); exit.CodeOf(err, exit.Internal) != exit.Usage || !strings.Contains(err.Error(), "has no accuracy, but loss") {
		t.Errorf("unknown metric: %v", err)
	}
}

// TestAllReduceAgrees: trainers that do not evaluate ask after the same steps as the
// chief.
func TestAllReduceAgrees(t *testing.T) {
	var asked []int
	for number := range 2 {
		s := newScene(Request{Strategy: AllReduce, EverySteps: 2, EarlyStopping: &EarlyStopping{Metric: "loss", Mode: "max", Patience: 9}}, numbers(5)...)
		s.Number, s.Trainers = number, 2
		if number == 0 {
			s.validate()
		} else {
			s.Checkpoints = nil
		}
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, len(s.graph.agreed))
	}
	if !slices.Equal(asked, []int{2, 2}) {
		t.Errorf("asked %v times", asked)
	}
}

// TestInterrupted: what was trained is saved.
func TestInterrupted(t *testing.T) {
	s := newScene(Request{Strategy: Independent, EverySteps: 100}, numbers(5)...)
	ctx, cancel := context.WithCancel(t.Context())
	s.Report = func(p Progress) {
		if p.Step == 3 {
			cancel()
		}
	}
	_, err := s.Run(ctx)
	if !errors.Is(err, context.Canceled) || !slices.Equal(s.saved, fakeSaver{3}) {
		t.Errorf("%v, saved %v", err, s.saved)
	}
}

// TestInterruptedAllReduce: the chief, which saves, may need another step of this trainer.
func TestInterruptedAllReduce(t *testing.T) {
	s := newScene(Request{Strategy: AllReduce}, numbers(5)...)
	s.Number, s.Trainers, s.Checkpoints = 1, 2, nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if result, err := s.Run(ctx); err != nil || result.Steps != 5 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestFailedStepSavesNothing: the variables may be half-updated.
func TestFailedStepSavesNothing(t *testing.T) {
	s := newScene(Request{Strategy: Independent}, numbers(5)...)
	s.graph.fails = errors.New("broken")
	if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "step 1 (rows 40 to 41 of partition 3): broken") || len(s.saved) > 0 {
		t.Errorf("%v, saved %v", err, s.saved)
	}
}

// TestMemoryIsShort: a step is not divided, because its update would be another one. The
// error says what to do.
func TestMemoryIsShort(t *testing.T) {
	s := newScene(Request{Strategy: Independent}, numbers(5)...)
	s.graph.fails = &model.MemoryError{Doing: "run signature train", Err: errors.New("OOM when allocating tensor")}
	if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "OOM when allocating tensor: the memory is too small for a step of 2 rows: lower batch_size") || s.graph.steps > 0 {
		t.Errorf("%v after %d steps", err, s.graph.steps)
	}
}

// TestEvaluator: it evaluates the newest checkpoint once, and the last one after the
// training has ended.
func TestEvaluator(t *testing.T) {
	graph := &fakeGraph{evalLoss: []float64{1, 2}}
	var scalars fakeSummaries
	found := []Start{{"a", 5}, {"deleted", 7}, {"b", 9}}
	ended := make(chan struct{})
	close(ended)
	var stopped []int64
	e := Evaluator{
		Request: &Request{EarlyStopping: &EarlyStopping{Metric: "loss", Mode: "min", Patience: 1}}, Graph: graph, Summaries: &scalars, Ended: ended,
		Validation: func() (Batches, error) { return &fakeRows{batches: [][]float64{{1}}}, nil },
		Newest: func() (Start, bool, error) {
			at := found[0]
			found = found[1:]
			return at, true, nil
		},
		Stop:  func(step int64) error { stopped = append(stopped, step); return nil },
		Enter: func(string) error { return nil },
		Now:   time.Now,
	}
	result, err := e.Run(t.Context())
	if err != nil || result.Role != RoleEvaluator || result.Step != 9 || !reflect.DeepEqual(result.Evaluated, map[string]float64{"loss": 2}) {
		t.Errorf("%+v, %v", result, err)
	}
	if !slices.Equal(graph.calls, []string{"restore a", "restore deleted", "restore b"}) || !slices.Equal(scalars, fakeSummaries{"5 loss=1", "9 loss=2"}) || !slices.Equal(stopped, []int64{9}) {
		t.Errorf("%v, %v, stopped at %v", graph.calls, scalars, stopped)
	}
}
