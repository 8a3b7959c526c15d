package infer

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
)

// defaultBatch is the rows of a run when the request names none.
const defaultBatch = 1000

// Model computes batches. Predict feeds a batch's columns as the binding says
// and returns one array for each of its outputs, in its order, of as many rows;
// they come from mem and are the caller's to release, the batch stays the
// caller's. Rows that it cannot take are a model.RowErrors, and a graph that fails
// over what may be one of them is a *model.GraphError: then it is called again
// with a part of the rows. It is called from several goroutines at once.
type Model interface {
	Predict(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error)
	Close() error
}

// Load makes the Model ready. Run calls it once, when there is something to do
// and the signature is known to be there.
type Load func(ctx context.Context) (Model, error)

// Progress is told, after each batch that was handed to the writer, how many
// splits are finished, how many rows are computed so far, and about how many
// bytes of the splits they take. Calls do not overlap, and numbers never go down.
type Progress func(splits, rows, bytes int64)

// Run makes the predictions for every split of the request. The result lists
// the finished splits in the request's order, after an error too.
func Run(ctx context.Context, req Request, load Load, progress Progress) (Result, error) {
	r, err := newRun(ctx, req, memory.DefaultAllocator, progress)
	if err != nil || len(req.Splits) == 0 {
		return Result{}, err
	}
	start := time.Now()
	m, err := load(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("infer: load %s: %w", req.Path(), err)
	}
	r.model = m
	loaded := time.Now()
	r.tally.result.LoadedMS = loaded.UnixMilli()
	r.tally.result.LoadSeconds = loaded.Sub(start).Seconds()
	r.tally.result.Model = req.Path()
	if r.identity.Digest, err = req.Digest(); err == nil {
		r.tally.result.Digest, r.tally.result.Made = r.identity.Digest, r.identity
		err = r.predictSplits(ctx)
	}
	r.tally.setSeconds(time.Since(loaded))
	if closeErr := m.Close(); err == nil {
		err = closeErr
	}
	return r.tally.sortedResult(req.Splits), err
}

// run is what the splits of one request have in common.
type run struct {
	req       Request
	signature *model.Signature
	data      *files.Dataset // all columns, as Input.Open saw them
	model     Model
	identity  Identity // of the parts
	mem       memory.Allocator
	create    create
	tally     *tally
}

func newRun(ctx context.Context, req Request, mem memory.Allocator, progress Progress) (*run, error) {
	signature, err := req.chooseSignature()
	if err != nil {
		return nil, err
	}
	if req.BatchSize <= 0 {
		req.BatchSize = defaultBatch
	}
	r := &run{req: req, mem: mem, create: createInStore, tally: &tally{report: progress}}
	if len(req.Splits) == 0 {
		return r, nil
	}
	data, err := req.Input.Dataset(r.readOptions())
	if err != nil {
		return nil, err
	}
	r.signature, r.data = signature, Fit(signature, data, req.InputMapping, req.Keep)
	bind, err := r.checkColumns(r.data)
	if err == nil {
		r.identity, err = identify(req, r.data, bind)
	}
	if err != nil {
		return nil, err
	}
	return r, makeFolder(ctx, req.Output)
}

// batchesBytes is about the most bytes of the batches that are read at once, one
// of each split that runs; others of it are computed and written meanwhile.
const batchesBytes = 192 << 20

// readOptions returns the sizes of the batches that a split is read in.
func (r *run) readOptions() files.ReadOptions {
	return files.ReadOptions{
		BatchRows: r.req.BatchSize, BatchBytes: batchesBytes / int64(r.splitsAtOnce()), Memory: r.mem, BadRows: true,
	}
}

// chooseSignature returns the model's signature that the request runs.
func (r Request) chooseSignature() (*model.Signature, error) {
	graph, err := r.Graph()
	if err != nil {
		return nil, err
	}
	return graph.Choose(r.Signature, r.Mapping())
}

// checkColumns binds the columns of data to the model's inputs and outputs.
func (r *run) checkColumns(data *files.Dataset) (*model.Binding, error) {
	return model.Check(r.signature, data.Schema(), r.req.Mapping())
}

// splitColumns returns the needed columns of a split's data, and their binding. A
// file that has types of its own (parquet, Arrow) keeps them: they may differ from
// those of the first file, and are checked against the model again.
func (r *run) splitColumns(ctx context.Context, s Split) (*files.Dataset, *model.Binding, error) {
	data := r.data
	if f := data.Format(); f == files.Parquet || f == files.Arrow {
		var err error
		if data, err = r.data.OneFile(ctx, s.Path); err != nil {
			return nil, nil, failed(s.Path, err)
		}
	}
	bind, err := r.checkColumns(data)
	if err == nil {
		data, err = data.Select(bind.Columns()...)
	}
	if err != nil {
		return nil, nil, atFile(exit.BadData, "read", s.Path, err)
	}
	return data, bind, nil
}

// predictSplits runs several splits at once. Reading parquet takes longest, and one
// split uses one processor for it.
func (r *run) predictSplits(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.splitsAtOnce())
	for _, s := range r.req.Splits {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.predictSplit(ctx, s)
		})
	}
	return group.Wait()
}

func (r *run) splitsAtOnce() int {
	if r.req.Threads > 0 {
		return r.req.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// tally sums up what splits and streams report. Safe for concurrent use.
type tally struct {
	mu          sync.Mutex
	result      Result
	rows        int64         // computed, unfinished splits included
	bytes       int64         // of the splits, that these rows take
	badRows     int64         // bad rows so far, unfinished splits included
	graphFailed int64         // of them, those that the graph failed for
	firstBad    *BadRow       // the first that was met
	graphWorks  atomic.Bool   // the graph has worked for a row
	waited      time.Duration // of all computing stages
	staged      time.Duration // their whole time
	report      Progress
}

func (t *tally) addBatch(rows, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows += rows
	t.bytes += bytes
	t.reportProgress()
}

// addSplit adds a finished split. bytes are those of the split that no batch has.
func (t *tally) addSplit(s SplitResult, bytes int64, c clocks) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += bytes
	t.result.Splits = append(t.result.Splits, s)
	t.result.Add(s.Account)
	t.result.ReadSeconds += c.read.Seconds()
	t.result.ComputeSeconds += c.compute.Seconds()
	t.result.WriteSeconds += c.write.Seconds()
	t.waited += c.waited
	t.staged += c.staged
	t.reportProgress()
}

// addBadRow counts a bad row. It returns an error when the run can have no output any
// more: there are too many bad rows for all rows of the job, or the graph has worked
// for none.
func (t *tally) addBadRow(row BadRow, req *Request) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.badRows++
	if row.graph {
		t.graphFailed++
	}
	if t.firstBad == nil {
		t.firstBad = &row
	}
	switch all := req.InputRows; {
	case req.MaxBad != nil && *req.MaxBad == 0 && all == 0:
		return &BadRowsError{fmt.Sprintf("there are bad rows, and max_bad is 0%%; the first is %v", t.firstBad)}
	case req.MaxBad != nil && all > 0 && beyond(t.badRows, all, *req.MaxBad):
		return tooMany(t.badRows, all, *req.MaxBad, t.firstBad)
	case t.graphFailed >= hopeless && !t.graphWorks.Load() && (req.MaxBad == nil || *req.MaxBad < 100):
		return noneWorked(t.graphFailed, t.firstBad)
	}
	return nil
}

// addStep counts a batch of a computing stage by its duration.
func (t *tally) addStep(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Steps.Add(d)
}

// setSeconds sets the run's seconds, and how many of them it waited, after the last
// split.
func (t *tally) setSeconds(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Seconds = took.Seconds()
	if t.staged > 0 {
		t.result.WaitSeconds = took.Seconds() * t.waited.Seconds() / t.staged.Seconds()
	}
}

func (t *tally) reportProgress() {
	if t.report != nil {
		t.report(int64(len(t.result.Splits)+len(t.result.Served)), t.rows, t.bytes)
	}
}

// sortedResult returns the result with its splits in the request's order.
func (t *tally) sortedResult(order []Split) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := map[int]int{}
	for i, s := range order {
		place[s.ID] = i
	}
	slices.SortFunc(t.result.Splits, func(a, b SplitResult) int { return place[a.ID] - place[b.ID] })
	return t.result
}
