package train

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
)

// Graph is a graph program in a TensorFlow session. One goroutine uses it at a time.
//
// Errors of Step and Evaluate are those of engine.Model.Predict: model.RowErrors for
// rows that do not fit, *model.GraphError for a failure in the graph.
type Graph interface {
	// Metrics are the names of Step's values: the train signature's floating-point
	// scalars, loss first, the others sorted. learning_rate may be among them.
	Metrics() []string
	// Step runs the train signature once on rows. globalStep is the number of updates
	// so far, of all trainers, as the graph counts them; -1: it does not.
	Step(ctx context.Context, rows arrow.Record) (values []float64, globalStep int64, err error)
	// EvalMetrics and Evaluate are the same of the eval signature. They are nil and an
	// error without one.
	EvalMetrics() []string
	Evaluate(ctx context.Context, rows arrow.Record) (values []float64, err error)
	// Restore gives all variables the values of a checkpoint.
	Restore(ctx context.Context, prefix string) error
	// Save writes a checkpoint of all variables. The index file comes last.
	Save(ctx context.Context, prefix string) error
	// GlobalStep reads the graph's count of updates; -1: it has none.
	GlobalStep(ctx context.Context) (int64, error)
	// Initialized tells whether all variables have values: under parameter servers
	// another trainer gives them.
	Initialized(ctx context.Context) (bool, error)
	// Finish records on the parameter servers that this trainer takes no more steps.
	// The chief calls it again when it needs no variable any more. Finished returns the
	// number of calls of all trainers. Other strategies have no need.
	Finish(ctx context.Context) error
	Finished(ctx context.Context) (int, error)
	// Agree tells the other trainers whether this one wants to stop, and returns
	// whether any wants to. Under all_reduce it blocks until every trainer has called
	// it, so that all call it after the same steps. Under parameter_server it returns
	// what is known so far. A trainer that is on its own gets its own wish.
	Agree(ctx context.Context, stop bool) (bool, error)
	// Snapshot keeps the variables' values in memory. Rollback gives them back.
	Snapshot(ctx context.Context) error
	Rollback(ctx context.Context) error
	Close() error
}

// Batch is the rows of one step.
type Batch struct {
	Rows  arrow.Record // the receiver releases it
	Epoch int
	// Places says where the rows are from, for messages. Nil: not known, because rows
	// are shuffled.
	Places []Place
}

// Place is rows that follow each other in the input.
type Place struct {
	Partition int // of the feed
	First     int64
	Rows      int64
}

// Batches are a member's rows.
type Batches interface {
	// Next returns the next rows: the batch size, and fewer at the end. Under a
	// synchronous strategy every trainer gets the same number of batches. io.EOF: there
	// are no more.
	Next(ctx context.Context) (Batch, error)
	// LeftOut returns the number of rows that are no batch, because the graph takes whole
	// batches only. They count as dropped. It is known when Next has returned io.EOF.
	LeftOut() int64
	// Stop says that no more rows are wanted. What was not returned counts as dropped.
	Stop() error
}
