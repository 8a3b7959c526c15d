package work

import (
	"context"

	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// base is what an inference job's output begins with: nothing (anew), or what
// earlier runs have left of it (resumedSplits, resumedPartitions).
type base interface {
	// start says what was taken over, and ends a run that need compute nothing.
	start() reserve.Start
	// add completes the sum of what members report. What they made, and what is
	// carried over, must have been made alike.
	add(result *total) error
	// parts are all parts of the output, those of result and those that are carried
	// over, in the order of their numbers.
	parts(result *total) []infer.Part
	// complete tells whether there was nothing to compute.
	complete() bool
	// unchanged tells whether what is published is the output that is wanted.
	unchanged() bool
	// onto is the place of the output as it is published: over what it goes on from.
	onto(ctx context.Context, p place) (place, error)
	// useful tells whether a later run needs finished parts, should this one fail.
	useful(ctx context.Context) bool
	// kept is how many splits a later run need not compute, should this one fail.
	kept(ctx context.Context) int
	// close ends the run's hold on the output. Where no run has left a finished
	// part, or done says that they are all published, nothing stays.
	close(ctx context.Context, done bool) error
}

// partitionBase is the base of an output that Spark writes.
type partitionBase interface {
	base
	// collect takes what the run's own Spark job wrote, and the bad rows of it, into
	// the output; took are the partitions that its tasks brought.
	collect(ctx context.Context, run string, result *total, took []infer.ServedPartition) error
}

// anew is the base of an output that is made as a whole.
type anew struct{}

func (anew) start() reserve.Start                           { return reserve.Start{} }
func (anew) add(*total) error                               { return nil }
func (anew) complete() bool                                 { return false }
func (anew) unchanged() bool                                { return false }
func (anew) onto(_ context.Context, p place) (place, error) { return p, nil }
func (anew) useful(context.Context) bool                    { return false }
func (anew) kept(context.Context) int                       { return 0 }
func (anew) close(context.Context, bool) error              { return nil }
func (anew) parts(result *total) []infer.Part               { return sortedParts(result, nil) }
func (anew) collect(context.Context, string, *total, []infer.ServedPartition) error {
	return nil
}
