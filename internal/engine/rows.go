package engine

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// rows is a column without its lists: n rows of one shape, whose elements are
// values[start:end]. It borrows the column's memory.
type rows struct {
	n          int64
	shape      []int64 // of one row
	values     arrow.Array
	start, end int
}

// unnest follows a column's lists down to its values. The first null, and the first
// list whose length does not fit the tensor or the other rows, is a *model.RowError.
func unnest(column arrow.Array, in model.Input) (*rows, error) {
	column, err := plainColumn(column, in)
	if err != nil {
		return nil, err
	}
	r := &rows{n: int64(column.Len()), values: column, end: column.Len()}
	wanted := wantedLengths(depth(column.DataType()), in.Tensor)
	perRow := int64(1)
	for level := 0; ; level++ {
		if i := firstNull(r.values, r.start, r.end); i >= 0 {
			return nil, rowError(in, int64(i)/perRow, nullReason(level))
		}
		lists, ok := r.values.(array.ListLike)
		if !ok {
			return r, nil
		}
		length, err := r.descend(lists, wanted[level], perRow, in)
		if err != nil {
			return nil, err
		}
		perRow *= length
		r.shape = append(r.shape, length)
	}
}

// descend replaces lists by their elements, and returns the length that all lists
// have. That is wanted, or the length of the first list if wanted is negative.
func (r *rows) descend(lists array.ListLike, wanted, perRow int64, in model.Input) (int64, error) {
	length := wanted
	var start, end int64
	for i := r.start; i < r.end; i++ {
		from, to := lists.ValueOffsets(i)
		if i == r.start {
			start = from
			if length < 0 {
				length = to - from
			}
		}
		if to-from != length {
			return 0, rowError(in, int64(i-r.start)/perRow, lengthReason(to-from, length, wanted, r.n, in))
		}
		end = to
	}
	r.values, r.start, r.end = lists.ListValues(), int(start), int(end)
	return max(length, 0), nil
}

// wantedLengths returns the length that the tensor requires at each level of lists.
// -1: the first row decides.
func wantedLengths(depth int, t model.Tensor) []int64 {
	wanted := make([]int64, depth)
	for i := range wanted {
		wanted[i] = -1
	}
	if size, known := t.RowSize(); known && depth == 1 {
		wanted[0] = size
	} else if !t.UnknownRank && len(t.Shape) == depth+1 {
		copy(wanted, t.Shape[1:])
	}
	return wanted
}

// tensorShape returns the shape of the tensor that the rows become. If the rows have a
// wrong number of values, the error is a *model.RowError for row 0.
func (r *rows) tensorShape(in model.Input) ([]int64, error) {
	size, known := in.RowSize()
	if !known {
		return append([]int64{r.n}, r.shape...), nil
	}
	have := int64(1)
	for _, d := range r.shape {
		have *= d
	}
	if have != size && r.n > 0 {
		return nil, rowError(in, 0, fmt.Sprintf("it holds %d values, the tensor %s (%s) needs %d", have, in.Alias, in.Tensor, size))
	}
	return append([]int64{r.n}, in.Shape[1:]...), nil
}

// rowOf returns the row of the value at index i of values.
func (r *rows) rowOf(i int) int64 {
	return int64(i-r.start) * r.n / int64(r.end-r.start)
}

func depth(t arrow.DataType) int {
	n := 0
	for {
		l, ok := t.(arrow.ListLikeType)
		if !ok {
			return n
		}
		n, t = n+1, l.Elem()
	}
}

// firstNull returns the offset from start of the first null, or -1.
func firstNull(a arrow.Array, start, end int) int {
	if a.NullN() == 0 {
		return -1
	}
	for i := start; i < end; i++ {
		if a.IsNull(i) {
			return i - start
		}
	}
	return -1
}

func nullReason(level int) string {
	if level == 0 {
		return "it is null: fill or drop such rows"
	}
	return "its list holds a null: fill or drop such rows"
}

// lengthReason says why a list has a wrong length. With several rows and no length
// that the tensor requires, it only says that the rows have no common shape.
func lengthReason(have, length, wanted, rows int64, in model.Input) string {
	if wanted >= 0 {
		return fmt.Sprintf("its list holds %d values, the tensor %s (%s) needs %d", have, in.Alias, in.Tensor, length)
	}
	if rows == 1 {
		return fmt.Sprintf("its lists hold %d and %d values, and a tensor has one shape: fill them up", length, have)
	}
	return fmt.Sprintf("its list holds %d values, the first of its batch %d, and a tensor's rows have one shape", have, length)
}

func rowError(in model.Input, row int64, reason string) error {
	return &model.RowError{Row: row, Column: in.Column, Reason: reason}
}
