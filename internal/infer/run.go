package infer

import (
	"context"
	"fmt"
	"runtime"
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
func Run(ctx context.Context, req *SplitsRequest, load Load, progress Progress) (Result, error) {
	r, err := newSplitsRun(ctx, req, memory.DefaultAllocator, progress)
	if err != nil || len(req.Splits) == 0 {
		return Result{}, err
	}
	err = r.withModel(ctx, load, func() error {
		r.identity.Digest = r.tally.result.Digest
		r.tally.result.Made = r.identity
		begin := time.Now()
		err := r.predictSplits(ctx)
		r.tally.setSeconds(time.Since(begin))
		return err
	})
	return r.tally.sortedResult(req.Splits), err
}

// run is what the pipelines of one request have in common.
type run struct {
	req       *Computation
	signature *model.Signature
	model     Model
	mem       memory.Allocator
	create    create
	tally     *tally
	sizes     batchSizes
}

func newRun(req *Computation, mem memory.Allocator, progress Progress) (run, error) {
	r := run{mem: mem, create: createInStore, tally: &tally{report: progress}}
	var err error
	if r.signature, err = req.chooseSignature(); err != nil {
		return r, err
	}
	settled := *req
	r.sizes = &givenSize{}
	switch {
	case req.GrowBatch:
		settled.BatchSize, r.sizes = MostGrown, newGrownSize()
	case req.BatchSize <= 0:
		settled.BatchSize = defaultBatch
	}
	r.req = &settled
	return r, nil
}

// withModel makes the model ready, notes in the result which it is, and closes it
// after work.
func (r *run) withModel(ctx context.Context, load Load, work func() error) error {
	digest, err := r.req.Digest()
	if err != nil {
		return err
	}
	start := time.Now()
	if r.model, err = load(ctx); err != nil {
		return fmt.Errorf("infer: load %s: %w", r.req.Path(), err)
	}
	result, loaded := &r.tally.result, time.Now()
	result.Model, result.Digest = r.req.Path(), digest
	result.LoadedMS, result.LoadSeconds = loaded.UnixMilli(), loaded.Sub(start).Seconds()
	err = work()
	result.BatchRows = r.sizes.next()
	if closeErr := r.model.Close(); err == nil {
		err = closeErr
	}
	return err
}

// splitsRun is what the splits of one request have in common.
type splitsRun struct {
	run
	request  *SplitsRequest
	data     *files.Dataset // all columns, as Input.Open saw them
	identity Identity       // of the parts
}

func newSplitsRun(ctx context.Context, req *SplitsRequest, mem memory.Allocator, progress Progress) (*splitsRun, error) {
	base, err := newRun(&req.Computation, mem, progress)
	r := &splitsRun{run: base, request: req}
	if err != nil || len(req.Splits) == 0 {
		return r, err
	}
	data, err := req.Input.Dataset(r.readOptions())
	if err != nil {
		return nil, err
	}
	r.data = Fit(r.signature, data, req.InputMapping, req.Keep)
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
func (r *splitsRun) readOptions() files.ReadOptions {
	return files.ReadOptions{
		BatchRows: r.req.BatchSize, BatchBytes: batchesBytes / int64(r.splitsAtOnce()), Memory: r.mem, BadRows: true,
	}
}

// checkColumns binds the columns of data to the model's inputs and outputs.
func (r *splitsRun) checkColumns(data *files.Dataset) (*model.Binding, error) {
	return model.Check(r.signature, data.Schema(), r.req.Mapping())
}

// splitColumns returns the needed columns of a split's data, and their binding. A
// file that has types of its own (parquet, Arrow) keeps them: they may differ from
// those of the first file, and are checked against the model again.
func (r *splitsRun) splitColumns(ctx context.Context, s Split) (*files.Dataset, *model.Binding, error) {
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
func (r *splitsRun) predictSplits(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.splitsAtOnce())
	for _, s := range r.request.Splits {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.predictSplit(ctx, s)
		})
	}
	return group.Wait()
}

func (r *splitsRun) splitsAtOnce() int {
	if r.req.Threads > 0 {
		return r.req.Threads
	}
	return runtime.GOMAXPROCS(0)
}
