package infer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// predictGoodRows predicts a batch without its bad rows. It returns the outputs of
// the good rows, which the caller releases, and their numbers in the batch (nil: all).
// c has the bad rows. Without a good row there are no outputs. Errors name the row's
// place.
func (p *pipeline) predictGoodRows(ctx context.Context, b batch) (outputs []arrow.Array, good []int64, c computed, err error) {
	s := &badRowSearch{pipeline: p, batch: b}
	if outputs, good, err = s.predict(ctx); err == nil {
		err = s.appendQuarantined(&c)
	}
	if err != nil {
		release(outputs)
		c.release()
		return nil, nil, computed{}, p.locate(err, b)
	}
	return outputs, good, c, nil
}

// badRowSearch predicts one batch and collects the rows that the reader, the tensors
// or the graph refuse. If the graph fails, or memory is short, it tries halves, and
// halves of those that fail: k bad rows of n cost about 2 k log₂(n/k) runs, and never
// more than two for each row.
type badRowSearch struct {
	*pipeline
	batch   batch
	badRows []int64 // their numbers in the batch
	bad     []BadRow
}

// predict returns the outputs of the good rows, which the caller releases, and their
// numbers in the batch (nil: all). Without a good row there are no outputs.
func (s *badRowSearch) predict(ctx context.Context) ([]arrow.Array, []int64, error) {
	if len(s.batch.bad) > 0 {
		rows, err := s.dropUnread()
		if err != nil {
			return nil, nil, err
		}
		return s.predictRows(ctx, rows)
	}
	n := s.batch.record.NumRows()
	outputs, err := s.outputs(ctx, s.batch.record)
	switch {
	case err != nil && n > 0:
		return s.splitFailed(ctx, rowsUpTo(n), err)
	case err == nil && n > 0:
		s.tally.graphWorks.Store(true)
	}
	return outputs, nil, err
}

// rowsUpTo returns 0 to n-1.
func rowsUpTo(n int64) []int64 {
	rows := make([]int64, n)
	for i := range rows {
		rows[i] = int64(i)
	}
	return rows
}

// dropUnread adds the rows that could not be read to the bad ones, and returns the
// others.
func (s *badRowSearch) dropUnread() ([]int64, error) {
	var unread model.RowErrors
	for _, bad := range s.batch.bad {
		e := &model.RowError{Row: bad.Row, Column: cmp.Or(bad.Column, model.NoColumn), Reason: oneLine(bad.Err)}
		if bad.Offset >= 0 {
			e.Reason += fmt.Sprintf(" (at byte %d of the file)", bad.Offset)
		}
		unread = append(unread, e)
	}
	return s.dropUnfit(rowsUpTo(s.batch.record.NumRows()), unread)
}

// predictRows is predict for some of the batch's rows.
func (s *badRowSearch) predictRows(ctx context.Context, rows []int64) ([]arrow.Array, []int64, error) {
	if len(rows) == 0 {
		return nil, nil, nil
	}
	outputs, err := s.runModel(ctx, rows)
	if err != nil {
		return s.splitFailed(ctx, rows, err)
	}
	s.tally.graphWorks.Store(true)
	return outputs, rows, nil
}

// splitFailed continues with rows for which the model has failed with err. It drops
// those that err names, or tries halves.
func (s *badRowSearch) splitFailed(ctx context.Context, rows []int64, err error) ([]arrow.Array, []int64, error) {
	var unfit model.RowErrors
	var graph *model.GraphError
	var memory *model.MemoryError
	switch {
	case errors.As(err, &memory) && len(rows) > s.fewestRows():
		s.limitRows(s.halfOf(len(rows)), memory)
		return s.predictHalves(ctx, rows)
	case errors.As(err, &unfit):
		if rows, err = s.dropUnfit(rows, unfit); err != nil {
			return nil, nil, err
		}
		return s.predictRows(ctx, rows)
	case errors.As(err, &graph) && len(rows) == 1:
		return nil, nil, s.addBadRow(&model.RowError{Row: rows[0], Column: model.NoColumn, Reason: "the graph failed: " + oneLine(graph.Err)}, true)
	case errors.As(err, &graph) && len(rows) <= s.fewestRows():
		from := s.rowPlace(s.batch)
		return nil, nil, &BadRowsError{fmt.Sprintf("%s: rows %d to %d, a batch of the model's: the graph failed: %s",
			from.place(), s.batch.first+rows[0], s.batch.first+rows[len(rows)-1], oneLine(graph.Err))}
	case errors.As(err, &graph):
		return s.predictHalves(ctx, rows)
	}
	return nil, nil, err
}

// runModel runs the model on some rows. The model gets only the columns that feed it.
func (s *badRowSearch) runModel(ctx context.Context, rows []int64) ([]arrow.Array, error) {
	var fields []arrow.Field
	var columns []arrow.Array
	defer func() { release(columns) }()
	for i, f := range s.batch.record.Schema().Fields() {
		if !slices.ContainsFunc(s.bind.Inputs, func(in model.Input) bool { return in.Column == f.Name }) {
			continue
		}
		column, err := Pick(s.mem, s.batch.record.Column(i), rows)
		if err != nil {
			return nil, err
		}
		fields, columns = append(fields, f), append(columns, column)
	}
	record := array.NewRecord(arrow.NewSchema(fields, nil), columns, int64(len(rows)))
	defer record.Release()
	return s.outputs(ctx, record)
}

// dropUnfit adds the rows that do not fit the model to the bad ones, and returns the
// others.
func (s *badRowSearch) dropUnfit(rows []int64, unfit model.RowErrors) ([]int64, error) {
	rest := make([]int64, 0, len(rows))
	for i, row := range rows {
		if len(unfit) == 0 || unfit[0].Row != int64(i) {
			rest = append(rest, row)
			continue
		}
		if err := s.addBadRow(&model.RowError{Row: row, Column: unfit[0].Column, Reason: unfit[0].Reason}, false); err != nil {
			return nil, err
		}
		unfit = unfit[1:]
	}
	if len(rest) == len(rows) {
		return nil, fmt.Errorf("the model refused rows that it was not given: %w", unfit)
	}
	return rest, nil
}

// halfOf returns about half of n rows, in whole batches of the model's.
func (s *badRowSearch) halfOf(n int) int {
	half, unit := n/2, s.fewestRows()
	return max(unit, half-half%unit)
}

// limitRows has later batches run in pieces of rows, because memory was short for more. It
// tells the user.
func (r *run) limitRows(rows int, why *model.MemoryError) {
	isNews := r.sizes.short(int64(rows)) // another split may have found out
	if isNews && r.req.Warn != nil {
		r.req.Warn(fmt.Sprintf("memory is short for a batch: from here on %d rows at a time (batch_size): %s", rows, oneLine(why.Err)))
	}
}

func (s *badRowSearch) predictHalves(ctx context.Context, rows []int64) ([]arrow.Array, []int64, error) {
	half := s.halfOf(len(rows))
	left, first, err := s.predictRows(ctx, rows[:half])
	if err != nil {
		return nil, nil, err
	}
	right, second, err := s.predictRows(ctx, rows[half:])
	switch {
	case err != nil:
		release(left)
		return nil, nil, err
	case left == nil:
		return right, second, nil
	case right == nil:
		return left, first, nil
	}
	defer release(left)
	defer release(right)
	both := make([]arrow.Array, 0, len(left))
	for i := range left {
		column, err := s.concatenate(i, []arrow.Array{left[i], right[i]})
		if err != nil {
			release(both)
			return nil, nil, err
		}
		both = append(both, column)
	}
	return both, slices.Concat(first, second), nil
}

// addBadRow adds a row of the batch to the bad ones. Its error ends the run: no bad
// row is tolerated, or there are too many.
func (s *badRowSearch) addBadRow(e *model.RowError, graph bool) error {
	bad := s.rowPlace(s.batch)
	bad.Row, bad.Column, bad.Reason, bad.graph = s.batch.first+e.Row, e.Column, e.Reason, graph
	if !s.req.toleratesBadRows() {
		return e
	}
	s.badRows, s.bad = append(s.badRows, e.Row), append(s.bad, bad)
	return s.tally.addBadRow(bad, s.req)
}

// appendQuarantined adds the bad rows and their kept columns to c, in input order.
func (s *badRowSearch) appendQuarantined(c *computed) (err error) {
	slices.Sort(s.badRows)
	slices.SortFunc(s.bad, func(a, b BadRow) int { return cmp.Compare(a.Row, b.Row) })
	c.bad = s.bad
	if len(s.bad) > 0 && s.req.OnBadRow == Quarantine {
		c.kept, err = s.keptColumns(s.batch.record, s.badRows)
	}
	return err
}
