package train

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// Error is an error with the exit code that it stands for.
type Error struct {
	Code exit.Code
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code that the error stands for.
func (e *Error) ExitCode() exit.Code { return e.Code }

// atBatch adds the step and the rows to the error of a step. A step for which memory is
// short is not taken in parts, as a batch of inference is: that would be another update.
func atBatch(err error, step int64, batch Batch) error {
	err = fmt.Errorf("train: step %d%s: %w", step, rowsOf(batch), err)
	var memory *model.MemoryError
	if errors.As(err, &memory) {
		return fmt.Errorf("%w: the memory is too small for a step of %d rows: lower batch_size", err, batch.Rows.NumRows())
	}
	return err
}

// rowsOf names the rows of a batch; "" where they are not known.
func rowsOf(batch Batch) string {
	var parts []string
	for _, p := range batch.Places {
		parts = append(parts, fmt.Sprintf("rows %d to %d of partition %d", p.First, p.First+p.Rows-1, p.Partition))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// nonFinite is the error of a step whose loss is not finite. The data is its cause if
// a number in the batch is not finite either.
func nonFinite(strategy Strategy, step int64, loss float64, batch Batch) error {
	skip := ", or set on_non_finite: skip"
	if strategy == ParameterServer { // where it is refused
		skip = ""
	}
	what := fmt.Sprintf("train: step %d: the loss is %v", step, loss)
	if column, row, value, found := findNonFinite(batch.Rows); found {
		return &Error{exit.BadData, fmt.Errorf("%s: row %d of the batch%s has %v in column %s: leave such rows out%s",
			what, row, rowsOf(batch), value, column, skip)}
	}
	return &Error{exit.Failed, fmt.Errorf("%s, though the batch%s has finite numbers only: try a lower learning rate%s", what, rowsOf(batch), skip)}
}

// tooFewRows is the error of rows that are fewer than the graph's fixed number of rows.
func tooFewRows(what string, rows int64, batch int) error {
	return &Error{exit.BadData, fmt.Errorf("train: the %s has %d rows, and the graph takes %d at a time: give it more rows, or export the graph with a batch dimension of None", what, rows, batch)}
}

// findNonFinite finds the first number of a batch that is not finite. row counts from 0
// in the batch.
func findNonFinite(rows arrow.Record) (column string, row int, value float64, found bool) {
	for i, c := range rows.Columns() {
		if row, value, found := scanNonFinite(c); found {
			return rows.ColumnName(i), row, value, true
		}
	}
	return "", 0, 0, false
}

func scanNonFinite(a arrow.Array) (row int, value float64, found bool) {
	switch a := a.(type) {
	case *array.Float32:
		for i, v := range a.Float32Values() {
			if a.IsValid(i) && !finite(float64(v)) {
				return i, float64(v), true
			}
		}
	case *array.Float64:
		for i, v := range a.Float64Values() {
			if a.IsValid(i) && !finite(v) {
				return i, v, true
			}
		}
	case array.ListLike:
		for i := range a.Len() {
			if a.IsNull(i) {
				continue
			}
			first, end := a.ValueOffsets(i)
			values := array.NewSlice(a.ListValues(), first, end)
			_, v, found := scanNonFinite(values)
			values.Release()
			if found {
				return i, v, true
			}
		}
	}
	return 0, math.NaN(), false
}
