package task

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Sending is the epochs of a feed's files, sent by feed tasks in this process.
type Sending struct {
	Order  Order // Epoch and Files are set by Run
	Files  Partitions
	Tasks  int    // that run at once
	Epochs int    // 0: until no member wants more
	Input  string // what Files are called in messages
	// EndEpoch is called when an epoch was sent. It returns whether the next one is to be
	// sent.
	EndEpoch func(ctx context.Context, sent Epoch) (next bool)
}

// Epoch is an epoch that was sent.
type Epoch struct {
	Number int
	Rows   int64 // acknowledged
	Last   bool  // no epoch follows
	// Stopped: not all rows were sent, because no member wanted the rest. Members may have
	// more than Rows: what was on its way.
	Stopped bool
}

// DataError is what no attempt can send: a row, or an input without rows.
type DataError struct{ Text string }

func (e *DataError) Error() string { return e.Text }

// Run sends the epochs. It ends early, without an error, when no member wants more rows.
// The error is a *DataError, ctx's, or one for which the end of a member may be the
// cause.
func (s Sending) Run(ctx context.Context) error {
	s.Order.Files, s.Order.Feed.Repeatable = &s.Files.Files, true
	for epoch := 0; ; epoch++ {
		s.Order.Epoch = epoch
		rows, stopped, err := s.sendEpoch(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		sent := Epoch{Number: epoch, Rows: rows, Last: epoch == s.Epochs-1, Stopped: stopped}
		if next := s.EndEpoch(ctx, sent); sent.Last || stopped || !next {
			return nil
		}
	}
}

// sendEpoch sends all partitions. stopped: no member wanted the last of the rows.
func (s Sending) sendEpoch(ctx context.Context) (rows int64, stopped bool, err error) {
	results := make([]Result, len(s.Files.Partitions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, s.Tasks))
	for i, splits := range s.Files.Partitions {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if results[i], err = s.Order.FeedFiles(ctx, i, splits); err != nil {
				return err
			}
			return results[i].fault()
		})
	}
	if err := group.Wait(); err != nil {
		return 0, false, err
	}
	for _, r := range results {
		rows += r.Sent + r.Skipped
		stopped = stopped || r.Note != nil
	}
	if rows == 0 && !stopped {
		return 0, false, &DataError{fmt.Sprintf("feed %s: %s has no row", s.Order.Feed.Name, s.Input)}
	}
	return rows, stopped, nil
}

// fault is why the partition was not sent as a whole, where no attempt can do so.
func (r Result) fault() error {
	switch {
	case r.Error != nil:
		return &DataError{*r.Error}
	case r.Refused != "":
		return errors.New(r.Refused)
	}
	return nil
}
